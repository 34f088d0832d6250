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


def test_a_file_of_two_options_is_refused(tmp_path):
    """One would replace the other; a link or another spelling is the same file."""
    (tmp_path / "folder").mkdir()
    file, again = tmp_path / "s.md", tmp_path / "folder/../s.md"
    with pytest.raises(InputError, match=r"--table .*s\.md: --markdown writes that file too; name"):
        compare.check_files([("markdown", file), ("table", again)])
    with pytest.raises(InputError, match=r"--html .*s\.md: --csv writes that file too"):
        compare.check_files([("markdown", None), ("csv", file), ("html", file)])
