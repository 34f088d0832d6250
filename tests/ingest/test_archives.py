"""Packed files have the rows of plain ones, or an error that names the member."""

import gzip
import tracemalloc

import pytest

from temper.core.errors import InputError
from temper.ingest import archives, local_files
from tests.helpers.archives import ROWS, TEXTS, columns_of, contents, zipped


@pytest.mark.parametrize("suffix", [*TEXTS, ".parquet", ".arrow"])
def test_packed_files_have_the_rows_of_plain_ones(tmp_path, suffix):
    """Every format is read from gzip and from a ZIP, whatever the member's name."""
    data = contents(suffix, tmp_path)
    (tmp_path / f"x{suffix}").write_bytes(data)
    (tmp_path / f"x{suffix}.gz").write_bytes(gzip.compress(data))
    zipped(tmp_path / f"x{suffix}.zip", {f"x{suffix}": data})
    zipped(tmp_path / "any.ZIP", {f"inner/x{suffix.upper()}": data})
    for name in (f"x{suffix}", f"x{suffix}.gz", f"x{suffix}.zip", "any.ZIP"):
        (file,) = local_files.find_files(str(tmp_path / name), "train", "*")
        assert columns_of(file) == ROWS, name


def test_members_are_read_in_the_order_of_their_names(tmp_path):
    """Formats may be mixed; members of macOS and of unknown formats are skipped."""
    file = zipped(
        tmp_path / "x.zip",
        {
            "b.jsonl": '{"text": "three"}',
            "a.csv": "text\none\ntwo\n",
            "README.md": "about",
            "__MACOSX/._a.csv": b"\x00\x05\x16\x07",
            ".hidden.csv": "no",
        },
    )
    assert columns_of(file) == {"text": ["one", "two", "three"]}


def test_images_in_an_archive_have_their_folder_as_label(tmp_path):
    """They are labelled like those of a folder."""
    file = zipped(tmp_path / "x.zip", {"cat/1.png": b"1", "dog/2.png": b"2"})
    found = {"image": [b"1", b"2"], "label": ["cat", "dog"], "file": ["1.png", "2.png"]}
    assert columns_of(file) == found


def test_mixed_packed_files_of_a_folder_are_one_split(tmp_path):
    """They are read in the order of their names, as the pattern says."""
    (tmp_path / "train-0.csv.gz").write_bytes(gzip.compress(b"text\none\n"))
    zipped(tmp_path / "train-1.zip", {"a.csv": "text\ntwo\n", "b.txt": "three\n"})
    (tmp_path / "train-2.jsonl").write_text('{"text": "four"}\n')
    (tmp_path / "test.csv.gz").write_bytes(gzip.compress(b"text\nother\n"))
    files = local_files.find_files(str(tmp_path), "train", "{split}-*")
    assert [text for file in files for text in columns_of(file)["text"]] == [
        "one",
        "two",
        "three",
        "four",
    ]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("x.csv.gz", gzip.compress(b"a,b\n1,2\n3\n"), r"x\.csv\.gz:3: 1 fields"),
        ("x.csv.gz", b"text\none\n", r"x\.csv\.gz: broken archive: Not a gzipped file"),
        ("x.csv.gz", gzip.compress(b"text\n" * 99)[:-9], r"x\.csv\.gz: broken archive: Compressed"),
        ("x.zip", b"text\none\n", r"x\.zip: broken ZIP archive: File is not a zip file; pack it"),
        ("x.parquet.gz", gzip.compress(b"no table"), r"x\.parquet\.gz: not Parquet"),
    ],
    # Not pytest's own: gzip's bytes hold the time, and test processes must agree on names.
    ids=["ragged", "not gzip", "cut short", "not zip", "not Parquet"],
)
def test_names_broken_packed_files(tmp_path, name, data, message):
    """The line is that of the unpacked text."""
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=message):
        columns_of(tmp_path / name)


def test_errors_in_a_member_name_archive_member_and_line(tmp_path):
    """The place is written `x.zip!member:line`."""
    file = zipped(tmp_path / "x.zip", {"sub/a.csv": "a,b\n1,2\n3\n"})
    with pytest.raises(InputError, match=r"x\.zip!sub/a\.csv:3: 1 fields, but the header has 2"):
        columns_of(file)
    file = zipped(tmp_path / "y.zip", {"a.jsonl": "{}\n{\n"})
    with pytest.raises(InputError, match=r"y\.zip!a\.jsonl:2: not JSON"):
        columns_of(file)


def test_refuses_empty_and_encrypted_archives(tmp_path):
    """No row is read, and the error says what the archive holds."""
    with pytest.raises(
        InputError, match=r"x\.zip: contains no file of a known format; it contains"
    ):
        columns_of(zipped(tmp_path / "x.zip", {}))
    with pytest.raises(InputError, match=r"it contains a\.md, b\.csv\.gz; known formats: \.csv"):
        columns_of(zipped(tmp_path / "x.zip", {"a.md": "", "b.csv.gz": ""}))
    data = bytearray(zipped(tmp_path / "x.zip", {"a.csv": "text\n"}).read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= archives.ENCRYPTED
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(InputError, match=r"x\.zip!a\.csv: encrypted; pack it without a password"):
        columns_of(tmp_path / "x.zip")


@pytest.mark.parametrize("name", ["x.csv.gz", "x.csv.zip"])
def test_packed_files_are_read_as_a_stream(tmp_path, name):
    """Of 16 MB no more than a few are in memory at once."""
    data = b"text\n" + b"".join(b"%02000d\n" % i for i in range(8000))
    if name.endswith(".gz"):
        (tmp_path / name).write_bytes(gzip.compress(data, 1))
    else:
        zipped(tmp_path / name, {"x.csv": data})
    tracemalloc.start()
    batches = local_files.read([tmp_path / name])
    count = sum(len(batch["text"]) for batch in batches)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 8000
    assert peak < 8e6
