"""A path or Hub id → the splits it has, and the `data` group of params.yaml that names them."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temper.core import artifacts
from temper.core.errors import InputError
from temper.ingest import archives, hub, local_files
from temper.ingest.columns import ColumnBatch
from temper.ingest.local_files import IMAGES, READERS
from temper.ingest.text_files import Note
from temper.params.data import HubDataset

SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
CUT = 0.1  # share of train that becomes a missing validation or test split


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the rows are."""

    files: dict[str, str]  # split → file or folder; {} on the Hub
    glob: str = "*"
    hub: HubDataset = field(default_factory=HubDataset)
    tracked: tuple[Path, ...] = ()  # paths for `dvc add`

    @property
    def missing(self) -> list[str]:
        """The splits that are cut from train."""
        return [split for split in SPLITS if split not in (self.files or self.hub.splits)]

    @property
    def title(self) -> str:
        """The name of the data, for the model card."""
        path = Path(self.files.get("train") or str(self.hub.name))
        return path.parent.name if path.stem in SPLITS["train"] else path.stem

    def parameters(self) -> dict[str, Any]:
        """Return what it says in the `data` group."""
        if not self.files:
            found = self.hub.model_dump(exclude_none=True)
            return {"source": "hub", "files": {}, "hub": found}
        glob = {"glob": self.glob} if self.glob != "*" else {}
        return {"source": "files", "files": self.files, **glob}


def find_source(given: str, copies: Path) -> Source:
    """Find the splits of a file, a folder or a data set on the Hub.

    Args:
        given: by the user.
        copies: folder into which data from outside the repository are copied.

    Raises:
        InputError: there is no such path, or no file in it can be read.
    """
    path = Path(given).expanduser()
    if not path.exists():
        if HUB_ID.fullmatch(given) and not path.parent.exists():
            return _on_hub(given)
        raise InputError(f"no such file or folder: {given}")
    path = inside_repository(path, copies)
    tracked = (path,)
    if path.is_file():
        siblings = _by_split(p for p in path.parent.iterdir() if p.suffix == path.suffix)
        if siblings.get("train") != path:
            return Source(files={"train": path.as_posix()}, tracked=tracked)
        files = {split: file.as_posix() for split, file in siblings.items()}
        return Source(files=files, tracked=tuple(siblings.values()))
    inner = sorted(p for p in path.iterdir() if not p.name.startswith("."))
    splits = _by_split(inner)
    if "train" not in splits:
        return Source(files={"train": path.as_posix()}, glob=_glob(path), tracked=tracked)
    if splits["train"].is_file():
        return Source(files={k: v.as_posix() for k, v in splits.items()}, tracked=tracked)
    files = {split: folder.as_posix() for split, folder in splits.items() if folder.is_dir()}
    return Source(files=files, glob=_glob(splits["train"]), tracked=tracked)


def inside_repository(path: Path, copies: Path) -> Path:
    """Return a path below the working directory; what is outside is copied to `copies`.

    Raises:
        InputError: there is something else of this name in `copies`.
    """
    here = Path.cwd()
    if path.resolve().is_relative_to(here):
        return path.resolve().relative_to(here)
    target = copies / path.name
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if path.is_dir() else shutil.copyfile)(path, target)
        print(f"copied {path} to {target}: DVC tracks what is in the repository")
    elif _hashes(target) != _hashes(path):
        raise InputError(
            f"{path} is to be copied to {target}, which exists and differs; copy it into the "
            "repository under another name, and give that"
        )
    return target


def _hashes(path: Path) -> dict[str, str]:
    return artifacts.sha256_tree(path) if path.is_dir() else {"": artifacts.sha256_file(path)}


def read(source: Source, split: str, note: Note) -> Iterator[ColumnBatch]:
    """Yield the rows of a split; `note` is told how files are read where their names do not say.

    Raises:
        InputError: a row is broken, or the Hub returned an error.
    """
    if source.files:
        files = local_files.find_files(source.files[split], split, source.glob, key=split)
        yield from local_files.read_all(files, None, note)
    else:
        splits, _ = hub.open_dataset(source.hub)
        yield from splits[split]


def _on_hub(name: str) -> Source:
    splits, found = hub.open_dataset(HubDataset(name=name))
    named = {
        split: alias for split, aliases in SPLITS.items() for alias in aliases if alias in splits
    }
    if "train" not in named:
        raise InputError(f"{name} has no split train, but {', '.join(splits)}: see data.hub")
    return Source(files={}, hub=HubDataset(name=name, revision=found.sha, splits=named))


def _by_split(paths: Any) -> dict[str, Path]:
    """Map the splits to the paths that are called after them, if one is each."""
    found: dict[str, list[Path]] = {}
    for path in paths:
        words = re.split(r"[^a-z]+", path.name.split(".")[0].lower())
        for split, aliases in SPLITS.items():
            if {*aliases} & {*words} and (
                path.is_dir() or archives.suffixes(path.name)[0] in READERS
            ):
                found.setdefault(split, []).append(path)
    return {split: found[split][0] for split in SPLITS if len(found.get(split, ())) == 1}


def _glob(folder: Path) -> str:
    """Return the pattern of a folder's data: of the one format it has, or in its folders."""
    inner = [p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")]
    suffixes = {p.suffix.lower() for p in inner if archives.suffixes(p.name)[0] in READERS}
    depth = "*/*" if all(p.parent != folder for p in inner if p.suffix.lower() in suffixes) else "*"
    if suffixes and suffixes <= {*IMAGES}:
        return depth
    if len(suffixes) != 1:
        raise InputError(
            f"{folder} holds {'files of ' + ', '.join(sorted(suffixes)) if suffixes else 'no data'}"
            "; name one file, or a folder of one format"
        )
    return (
        depth if len(suffixes) == len({p.suffix.lower() for p in inner}) else depth + suffixes.pop()
    )
