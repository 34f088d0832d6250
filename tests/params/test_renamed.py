"""A key of an earlier version is one error that names the new key; what is stored still loads."""

import json

import pytest
import yaml

from temper import params
from temper.core import yaml_file
from temper.core.errors import InputError
from temper.params.renamed import RENAMED, with_current_names
from temper.params.schema import Settings
from tests.helpers.earlier_export import OF_AN_EARLIER_VERSION
from tests.helpers.parameters import schema_keys
from tests.helpers.workspace import ROOT, change


def earlier(changes: dict) -> dict:
    """Return the root params.yaml with dotted keys set."""
    tree = yaml.load((ROOT / "params.yaml").read_text(), Loader=yaml_file.Loader)
    return change(tree, changes)


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_key_is_an_error_with_its_line(old, tmp_path):
    """And with the new name, once: the new key is not reported as missing too."""
    tree = earlier({})
    group, *path, name = RENAMED[old].split(".")
    inner = tree[group]
    for key in path:
        inner = inner.setdefault(key, {"patience": 1})
    inner[old.rpartition(".")[2]] = inner.pop(name, None)
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(tree, sort_keys=False))
    with pytest.raises(InputError) as caught:
        params.load(file)
    lines = file.read_text().splitlines()
    start, name = lines.index(f"{group}:"), f" {old.rpartition('.')[2]}:"
    line = next(i for i in range(start, len(lines)) if name in lines[i]) + 1
    assert f"  {file}:{line}: {old}: renamed to {RENAMED[old]}" in str(caught.value).splitlines()
    assert f"{RENAMED[old]}: missing" not in str(caught.value)


def test_every_new_name_is_a_key():
    """And no old name is one."""
    keys = schema_keys()
    for old, new in RENAMED.items():
        assert any(key == new or key.startswith(f"{new}.") for key in keys), new
        assert not any(key == old or key.startswith(f"{old}.") for key in keys), old


def test_current_names_are_kept_and_old_ones_replaced():
    """In place, with their values; a key under both names keeps its current one."""
    tree = {
        "tokenize": {"long": "window", "stride": 4},
        "train": {"early_stopping": {"patience": 1, "min_gain": 0.1}, "keep": "best"},
        "evaluate": {"num_worst": 3, "num_worst_examples": 5},
        "code": {},
    }
    current, old = with_current_names(tree)
    assert current == {
        "tokenize": {"overflow": "window", "stride": 4},
        "train": {"early_stopping": {"patience": 1, "min_delta": 0.1}, "keep_checkpoints": "best"},
        "evaluate": {"num_worst_examples": 5},
        "code": {},
    }
    assert list(old) == [
        "tokenize.long",
        "train.early_stopping.min_gain",
        "train.keep",
        "evaluate.num_worst",
    ]
    assert tree["tokenize"] == {"long": "window", "stride": 4}
    assert list(current["tokenize"]) == ["overflow", "stride"]


def test_settings_of_an_earlier_export_load():
    """With their old names, and with a threshold that had no effect."""
    settings = Settings.model_validate_json(
        json.dumps(with_current_names(OF_AN_EARLIER_VERSION)[0])
    )
    assert settings.tokenize.overflow == "truncate"
    assert settings.evaluate.num_worst_examples == 50
