"""The parameters, data and model folder that most tests work with, and their first stages."""

import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from stages import download, hash_inputs, tokenize
from temper import params
from temper.core import yaml_file
from temper.tracking import sender, store, uploader
from tests.helpers.waiting import LIMIT_S

ROOT = Path(__file__).parents[2]
TOKENIZED = ("raw", "base/processor", "files/code", "files/tokenize", "translators", "tokenized")


def isolate(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Keep runs and checkpoints in a folder, whatever the environment names.

    This process sends its records itself, however long that takes on a busy machine: it imports
    MLflow once for many stages.
    """
    patch.setattr(sender, "has_mlflow", lambda: True)
    patch.setattr(uploader, "PATIENCE_S", LIMIT_S)
    patch.setattr(sender, "CALL_PATIENCE_S", LIMIT_S)
    for name in ("MLFLOW_TRACKING_URI", "DVC_EXP_NAME", "TEMPER_DEBUG"):
        patch.delenv(name, raising=False)
    patch.setenv("DVC_ROOT", str(folder))
    patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    patch.setenv("GIT_CEILING_DIRECTORIES", str(folder.parent))


def link_code(folder: Path, *more: str) -> None:
    """Put links to the pipeline and its code in a folder, and to more of the repository."""
    for name in ("launch", "stages", "temper", "dvc.yaml", *more):
        target = folder / name
        target.parent.mkdir(exist_ok=True, parents=True)
        if not target.exists():
            target.symlink_to(ROOT / name)


def make_store(folder: Path) -> None:
    """Make a folder with an MLflow database that has no run."""
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, folder)
        store.connect()


def init_dvc(folder: Path, setting: str = "no_scm = true") -> None:
    """Make a DVC repository, by default without git, as `dvc init` does in a second or two."""
    (folder / ".dvc").mkdir(exist_ok=True)
    (folder / ".dvc/config").write_text(f"[core]\n    {setting}\n")
    (folder / ".dvc/.gitignore").write_text("/config.local\n/tmp\n/cache\n")


def change(tree: dict, changes: dict) -> dict:
    """Set dotted keys of nested groups."""
    for key, value in changes.items():
        *groups, last = key.split(".")
        inner = tree
        for group in groups:
            inner = inner.setdefault(group, {})
        inner[last] = value
    return tree


def write_params(folder: Path, patch: pytest.MonkeyPatch, **changes) -> params.Params:
    """Write the tests' params.yaml with changes and the files it names, go there and load it."""
    tree = yaml.load((ROOT / "tests/params.yaml").read_text(), Loader=yaml_file.Loader)
    flat = {key.replace("__", "."): value for key, value in changes.items()}
    (folder / "params.yaml").write_text(yaml.safe_dump(change(tree, flat), sort_keys=False))
    init_dvc(folder)
    for source in ("tests/data", "data/sample/model", "launch"):
        if not (folder / source).exists():
            shutil.copytree(ROOT / source, folder / source)
    patch.chdir(folder)
    return params.load()


def load_data(parameters: params.Params) -> params.Params:
    """Run the stages before train in the working directory."""
    watched = {"dataset": parameters.data.files, "model": parameters.model.files}
    for group, named in (watched | {"tokenize": parameters.tokenize.synonym_files}).items():
        for name, source in named.items():
            hash_inputs.main(Path(source), Path(f"data/files/{group}/{name}.json"))
    download.main("dataset", Path("data/files/dataset"), Path("data/raw"))
    download.main("model", Path("data/files/model"), Path("data/base"))
    tokenize.main(*(Path("data") / name for name in TOKENIZED))
    return parameters


def make_prepared(folder: Path) -> None:
    """Download and tokenize the tests' data in a folder."""
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, folder)
        load_data(write_params(folder, patch))


def without(folder: Path, *libraries: str) -> str:
    """Return a PYTHONPATH with which these libraries cannot be imported."""
    folder.mkdir()
    for library in libraries:
        (folder / f"{library}.py").write_text(f"raise ImportError('no {library}')\n")
    return str(folder)


def environment(**more: str) -> dict[str, str]:
    """Return an environment for child processes that finds this environment's commands."""
    prefixes = ("DVC_", "MLFLOW_", "PYTEST_")  # with those a pytest in it is no part of this one
    kept = {k: v for k, v in os.environ.items() if not k.startswith(prefixes)}
    return kept | {"PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}"} | more
