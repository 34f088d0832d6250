"""Bad input of every kind gets one clear error from `temper check`."""

import shutil
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest
import yaml

from temper.cli import check
from temper.core import yaml_file
from temper.core.errors import InputError
from tests.helpers import workspace
from tests.helpers.workspace import ROOT
from tests.promises import bad_input
from tests.promises.bad_input import ABSENT, BadInput

CASES = {
    f"{module.name}-{case.name}": case
    for module in iter_modules(bad_input.__path__)
    for case in import_module(f"{bad_input.__name__}.{module.name}").CASES
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_one_clear_error(case: BadInput, tmp_path, monkeypatch):
    """Anything but an InputError, which entry points show as one message, fails."""
    monkeypatch.chdir(tmp_path)
    make_workspace(case, tmp_path)
    with pytest.raises(InputError) as raised:
        check.check()
    message = str(raised.value)
    assert [part for part in case.says if part not in message] == [], message
    assert "Traceback" not in message


def make_workspace(case: BadInput, folder: Path) -> None:
    """Write params.yaml and the case's files beside copies of what a recipe names."""
    source = ROOT / (f"recipes/{case.recipe}.yaml" if case.recipe else "tests/params.yaml")
    tree = yaml.load(source.read_text(encoding="utf-8"), Loader=yaml_file.Loader)
    text = case.params_yaml
    if text is None:
        tree = workspace.change(tree, {k: v for k, v in case.changes.items() if v is not ABSENT})
        remove(tree, [key for key, value in case.changes.items() if value is ABSENT])
        text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    (folder / "dvc.yaml").write_text("stages: {}\n")
    workspace.init_dvc(folder)
    for name in ("launch", "data/sample" if case.recipe else "data/sample/model", "tests/data"):
        shutil.copytree(ROOT / name, folder / name)
    for name, content in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(path)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content, encoding="utf-8")


def remove(tree: dict, keys: list[str]) -> None:
    """Delete dotted keys."""
    for key in keys:
        *groups, last = key.split(".")
        inner = tree
        for group in groups:
            inner = inner[group]
        del inner[last]
