"""A path or Hub id → the splits it has, and the `data` group of params.yaml that names them."""

import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

from temper.core import artifacts
from temper.core.errors import InputError
from temper.ingest import archives, hub, local_files
from temper.ingest.columns import ColumnBatch
from temper.ingest.dataset import SourceSplits
from temper.ingest.local_files import AUDIO, IMAGES, READERS
from temper.ingest.text_files import Note
from temper.init.names import SPLITS
from temper.init.roles import Wishes
from temper.params.data import HubDataset

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
CUT = 0.1  # share of train that becomes a missing validation or test split


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the rows are."""

    files: dict[str, str]  # split → file or folder; {} on the Hub
    glob: str = "*"
    hub: HubDataset = field(default_factory=HubDataset)
    tracked: tuple[Path, ...] = ()  # paths for `dvc add`
    rows: SourceSplits = field(default_factory=dict)  # of the Hub, which are opened to be found

    @property
    def splits(self) -> dict[str, str]:
        """The splits that there are, with their place or their name on the Hub."""
        return self.files or self.hub.splits

    @property
    def place(self) -> str:
        """The file or folder of train, or the name on the Hub."""
        path = Path(self.files.get("train", ""))
        places = [place.as_posix() for place in self.tracked if place in (path, *path.parents)]
        return places[0] if places else str(self.hub.name)

    @property
    def missing(self) -> list[str]:
        """The splits that are cut from train."""
        return [split for split in SPLITS if split not in self.splits]

    @property
    def title(self) -> str:
        """The name of the data, for the model card."""
        path = Path(self.files.get("train") or str(self.hub.name)).absolute()
        return path.parent.name if path.stem in SPLITS["train"] else path.stem

    def parameters(self) -> dict[str, Any]:
        """Return what it says in the `data` group."""
        if not self.files:
            found = self.hub.model_dump(exclude_none=True)
            return {"source": "hub", "files": {}, "hub": found}
        glob = {"glob": self.glob} if self.glob != "*" else {}
        return {"source": "files", "files": self.files, **glob}


def find_source(given: str, copies: Path, wishes: Wishes) -> Source:
    """Find the splits of a file, a folder or a data set on the Hub.

    Args:
        given: by the user.
        copies: folder into which data from outside the repository are copied.
        wishes: of the user.

    Raises:
        InputError: there is no such path, or no file in it can be read.
    """
    path = Path(given).expanduser()
    is_id = HUB_ID.fullmatch(given) is not None and archives.suffixes(given)[0] not in READERS
    if not path.exists() and is_id and not path.parent.exists():
        return _on_hub(given, wishes)
    if wishes.config is not None:
        raise InputError("--config names a configuration of a data set on the Hub; remove it")
    if not path.exists():
        raise InputError(f"no such file or folder: {given}")
    path = inside_repository(path, copies)
    if path.is_file():
        files = _files_beside(path)
        return Source(files=_names(files), tracked=tuple(files.values()))
    named = _by_split(p for p in path.iterdir() if not archives.is_hidden(p.name))
    if not named:
        return Source(files={"train": path.as_posix()}, glob=_glob(path), tracked=(path,))
    for split in ("train", *named):
        if len(paths := named.get(split, [])) != 1:
            found = ", ".join(p.name for p in paths) or "nothing"
            raise InputError(
                f"{path}: {found} for the split {split}, though others have names of splits; one "
                "file or folder each is needed, or name the one file that is all of the data"
            )
    files = {split: paths[0] for split, paths in named.items()}
    are_files = {p.is_file() for p in files.values()}
    if len(are_files) > 1:
        raise InputError(f"{path}: some splits are files and some folders; name one of them")
    glob = "*" if are_files == {True} else _glob(files["train"])
    return Source(files=_names(files), glob=glob, tracked=(path,))


def _files_beside(path: Path) -> dict[str, Path]:
    """Return the file of each split, if `path` is one of train and others are called like it."""
    named = _by_split(p for p in path.parent.iterdir() if p.suffix == path.suffix)
    alike = {split: [p for p in paths if _rest(p) == _rest(path)] for split, paths in named.items()}
    files = {split: paths[0] for split, paths in alike.items() if len(paths) == 1}
    return files if files.get("train") == path else {"train": path}


def _names(files: dict[str, Path]) -> dict[str, str]:
    return {split: files[split].as_posix() for split in SPLITS if split in files}


def inside_repository(path: Path, copies: Path) -> Path:
    """Return a path below the working directory; what is outside is copied to `copies`.

    Raises:
        InputError: there is something else of this name in `copies`.
    """
    here, path = Path.cwd().resolve(), path.resolve()
    if path == here or path in here.parents:
        raise InputError(f"{path} holds this repository; name a file or folder of data")
    if path.is_relative_to(here):
        return path.relative_to(here)
    target = copies / path.name
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if path.is_dir() else shutil.copyfile)(path, target)
        print(f"copied {path} to {target}: DVC tracks what is in the repository")
    elif _hashes(target) != _hashes(path):
        raise InputError(
            f"{path} is to be copied to {target}, which exists and differs; give {target}, or "
            "remove it, or copy yours into the repository under another name and give that"
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
        yield from local_files.read(files, None, note, local_files.reach_of(source.files[split]))
    else:
        yield from source.rows[source.splits[split]]


def leave_out_unlabelled(
    source: Source, texts: Sequence[str], targets: set[str]
) -> tuple[Source, list[str]]:
    """Return the source without the files that have texts and nothing to predict, and these.

    They are what `temper predict` is for; a split of train can be scored.
    """
    files = dict(source.files)
    for split in [split for split in files if split != "train" and texts and targets]:
        first = next(iter(read(source, split, lambda _: None)), {})
        if {*texts} <= first.keys() and not targets & first.keys():
            del files[split]
    left = [place for split, place in source.files.items() if split not in files]
    return replace(source, files=files), left


def _on_hub(name: str, wishes: Wishes) -> Source:
    from datasets import get_dataset_config_names, get_dataset_default_config_name

    config = wishes.config
    if config is None:
        with hub.explain_hub_errors(f"dataset {name}", None):
            configs = get_dataset_config_names(name)
            default = get_dataset_default_config_name(name) if len(configs) > 1 else None
        if len(configs) > 1:
            question = f"{name} has {len(configs)} configurations; which one?"
            config = wishes.choose(question, configs, default, "--config")
    splits, found = hub.open_dataset(HubDataset(name=name, config=config))
    named = {
        split: alias for split, aliases in SPLITS.items() for alias in aliases if alias in splits
    }
    if "train" not in named:
        raise InputError(f"{name} has no split train, but {', '.join(splits)}: see data.hub")
    at_commit = HubDataset(name=name, config=config, revision=found.sha, splits=named)
    return Source(files={}, hub=at_commit, rows=splits)


def _words(path: Path) -> list[str]:
    """Return the words of a name, without the suffixes of formats."""
    name = path.name.lower()
    suffixes = (*READERS, ".gz", ".zip") if path.is_file() else ()
    while PurePath(name).suffix in suffixes:
        name = PurePath(name).stem
    return [word for word in re.split(r"[^a-z0-9]+", name) if word]


def _rest(path: Path) -> list[str]:
    """Return the words of a name that name no split."""
    return [word for word in _words(path) if not any(word in names for names in SPLITS.values())]


def _by_split(paths: Iterable[Path]) -> dict[str, list[Path]]:
    """Map the splits to the data files and folders that are called after them."""
    found: dict[str, list[Path]] = {}
    for path in sorted(paths):
        if path.is_dir() or archives.suffixes(path.name)[0] in READERS:
            for split, names in SPLITS.items():
                if {*names} & {*_words(path)}:
                    found.setdefault(split, []).append(path)
    return found


def _glob(folder: Path) -> str:
    """Return the pattern of a folder's data: of the one format it has, or in its folders.

    Raises:
        InputError: the files are of several formats, or at several depths.
    """
    inner = [
        p
        for p in folder.rglob("*")
        if p.is_file() and not archives.is_hidden(str(p.relative_to(folder)))
    ]
    data = [p for p in inner if archives.suffixes(p.name)[0] in READERS]
    data = [p for p in data if p.suffix.lower() not in AUDIO] or data  # a table may name clips
    suffixes = {p.suffix for p in data}
    if not data or (len(suffixes) > 1 and not {s.lower() for s in suffixes} <= {*IMAGES}):
        held = f"files of {', '.join(sorted(suffixes))}" if data else "no data"
        hint = "name one file, or a folder of one format"
        if {suffix.lower() for suffix in suffixes} & {*IMAGES}:
            hint += "; images are read from a folder for each label, without other data"
        raise InputError(f"{folder} holds {held}; {hint}")
    depths = {len(p.relative_to(folder).parts): p for p in data}
    if len(depths) > 1 or max(depths) > 2:
        examples = ", ".join(str(p) for p in depths.values())
        raise InputError(f"{folder}: data at several depths, or deeper than a folder: {examples}")
    pattern = "*" if 1 in depths else "*/*"
    return pattern if len(suffixes) > 1 or len(data) == len(inner) else pattern + data[0].suffix
