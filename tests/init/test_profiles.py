"""Files that cells name are read, or refused with their place."""

import pytest

from temper.core.errors import InputError
from temper.ingest import local_files
from temper.init import profiles


def profile(*files, reach=None):
    return profiles.profile(local_files.read(files, None, str, reach))


@pytest.mark.parametrize("is_folder", [True, False])
def test_a_table_that_names_a_file_that_cannot_be_read_is_refused(tmp_path, is_folder):
    """It is not there, or the table was given alone."""
    table = tmp_path / "x.csv"
    table.write_text("clip,label\none.wav,a\n")
    reason = "one.wav: No such file" if is_folder else "names a file, which DVC would not watch"
    with pytest.raises(
        InputError, match=f"train row 1, column 'clip': .*{reason}.*found 'one.wav'"
    ):
        profile(table, reach=tmp_path if is_folder else None)


def test_clips_of_which_none_can_be_read_are_refused(tmp_path):
    """They are no images, either."""
    files = [tmp_path / label / "one.wav" for label in "ab"]
    for file in files:
        file.parent.mkdir()
        file.write_bytes(b"no clip")
    with pytest.raises(InputError, match="'audio': none of 2 files can be read as WAV; row 1 "):
        profile(*files)
