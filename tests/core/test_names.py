"""The name of a running DVC stage gives its key, if that is safe."""

import pytest

from temper.core import names
from temper.core.errors import InputError


@pytest.mark.parametrize(
    "stage", ["data_files@my-set.v1", "../my@dir/dvc.yaml:data_files@my-set.v1"]
)
def test_key_of_the_running_stage(monkeypatch, stage):
    """Also where DVC was started in another folder."""
    monkeypatch.setenv("DVC_STAGE", stage)
    assert names.running_item() == "my-set.v1"


@pytest.mark.parametrize("key", ["", ".", "..", "a/b", "a b", "a\nb", "$(x)", "a;b", "ä", "a@b"])
def test_unsafe_key_is_refused(monkeypatch, key):
    """None becomes a path."""
    monkeypatch.setenv("DVC_STAGE", f"data_files@{key}")
    with pytest.raises(InputError, match="is not allowed as a name"):
        names.running_item()


def test_no_stage_is_refused(monkeypatch):
    """The module is run by DVC."""
    monkeypatch.delenv("DVC_STAGE", raising=False)
    with pytest.raises(InputError, match="expected a stage such as data_files@train"):
        names.running_item()
