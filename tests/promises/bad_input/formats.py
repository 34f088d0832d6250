"""Files that are not what their names say, or that can be read in two ways.

A case per place where `temper check` opens or reads a file; tests/ingest has what else the readers
refuse.
"""

import gzip
import os
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.promises.bad_input import BadInput, FileContent

HEADER = "sentence1,sentence2,label\n"
GOOD = HEADER + "a,b,equivalent\nc,d,not_equivalent\n"
ROW = '{"sentence1": "a", "sentence2": "b", "label": "equivalent"}\n'


def train(
    case: str, file: str, content: FileContent, *says: str, path: str = "", **csv: Any
) -> BadInput:
    """Return a case of one file for train, or of its folder, with `data.csv` if given."""
    changes = {"data.files": {"train": path or file}} | ({"data.csv": csv} if csv else {})
    return BadInput(name=case, changes=changes, files={file: content}, says=says)


def csv_group(case: str, *says: str, **values: Any) -> BadInput:
    """Return a case of `data.csv` alone."""
    return BadInput(name=case, changes={"data.csv": values}, says=("params.yaml:", *says))


def damaged(file: Path) -> None:
    """Write Parquet with a broken page, which no reader of the footer notices."""
    pq.write_table(pa.table({"sentence1": ["some text"] * 99}), file)
    data = bytearray(file.read_bytes())
    data[6] ^= 0xFF
    file.write_bytes(data)


def zipped(name: str, content: str):
    """Return a function that writes a ZIP with one member."""

    def write(file: Path) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, content)

    return write


CSV = [
    train("csv_row_too_short", "x.csv", GOOD + "e,f\n", "x.csv:4: 2 fields, but the header has 3"),
    train("csv_empty", "x.csv", "", "x.csv:1: no header", "must name the columns"),
    train(
        "csv_other_encoding",
        "x.csv",
        GOOD + "für,x,equivalent\n",
        "x.csv:4: not ASCII, after 'f'",
        encoding="ascii",
    ),
    csv_group(
        "csv_encoding_needs_a_mark",
        "tests/data/train.csv: not utf-16:",
        "; see data.csv.encoding",
        encoding="utf-16",
    ),
    csv_group("csv_encoding_idna", "data.csv: encoding 'idna' is unknown", encoding="idna"),
    csv_group("csv_group_empty", "data.csv: give delimiter, quoting or encoding"),
    csv_group("csv_delimiter_of_two_characters", "data.csv.delimiter", "||", delimiter="||"),
    csv_group("csv_quoting_unknown", "data.csv.quoting", "'double' or 'none'", quoting="single"),
    csv_group("csv_encoding_unknown", "data.csv", "'utf-9' is unknown", "cp1252", encoding="utf-9"),
    train("csv_group_without_csv", "x.jsonl", ROW, "data.csv: there is no CSV", quoting="none"),
    BadInput(
        name="csv_group_with_hub",
        changes={
            "data.source": "hub",
            "data.hub": {"name": "x/y"},
            "data.files": {},
            "data.csv": {"delimiter": ";"},
        },
        says=("params.yaml:", "csv is for local files"),
    ),
]

JSON = [
    train(
        "jsonl_list_as_text",
        "x.jsonl",
        ROW + ROW.replace('"a"', '["a"]'),
        "train row 2, column 'sentence1'",
        "expected a text, not a list; found ['a']",
    ),
    train("jsonl_number_beyond_floats", "x.jsonl", ROW.replace('"a"', "1e999"), "found inf"),
    train("jsonl_cut", "x.jsonl", ROW + ROW[:20], "x.jsonl:2: not JSON: Unterminated string"),
]

TABLES = [
    train("parquet_damaged", "x.parquet", damaged, "x.parquet: not Parquet, or damaged: "),
    train("arrow_is_csv", "x.arrow", GOOD, "x.arrow: not Arrow, or damaged: "),
    train("excel_of_1997", "x.xls", b"\xd0\xcf\x11\xe0", "x.xls: unknown format '.xls'", ".xlsx"),
]

FILES = [
    train("pipe", "x.csv", os.mkfifo, "data.files.train: x.csv is a pipe or a device"),
    train("pipe_in_a_folder", "x/y.csv", os.mkfifo, "x/y.csv is a pipe or a device", path="x"),
    train(
        "broken_link_in_a_folder",
        "x/y.csv",
        lambda file: file.symlink_to("z.csv"),
        "x/y.csv is a link to a file that does not exist",
        path="x",
    ),
    *(
        BadInput(
            name=f"linked_folder_{pattern.count('*')}",
            changes={"data.files": {"train": "mine"}, "data.glob": pattern},
            files={
                "mine/a/x.csv": GOOD,
                "other/y.csv": GOOD,
                "mine/b": lambda path: path.symlink_to("../other"),
            },
            says=("mine/b is a link to a folder, which is not followed: name the folder",),
        )
        for pattern in ("*/*", "**/*.csv")
    ),
    train("gzip_cut", "x.csv.gz", gzip.compress(GOOD.encode())[:-9], "x.csv.gz: broken archive"),
    train("zip_row", "x.zip", zipped("a.csv", GOOD + "e\n"), "x.zip!a.csv:4: 1 fields"),
    train("text_has_one_column", "x.txt", "a\nb\n", "no column 'sentence1'", "train has text"),
]

CASES = [*CSV, *JSON, *TABLES, *FILES]
