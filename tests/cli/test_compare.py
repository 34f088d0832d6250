"""Where `temper compare` writes."""

import pytest

from temper.cli import compare
from temper.core.errors import InputError


def test_files_that_cannot_be_written_are_refused_first(tmp_path):
    """Each option says so before models are read, and nothing is written."""
    compare.check_files([("csv", tmp_path / "models.csv"), ("markdown", None)])
    with pytest.raises(InputError, match=r"--csv .*no/models.csv: there is no folder .*no; name"):
        compare.check_files([("csv", tmp_path / "no/models.csv")])
    with pytest.raises(InputError, match=r"--html .*: is a folder; name a file"):
        compare.check_files([("html", tmp_path)])
    assert list(tmp_path.iterdir()) == []
