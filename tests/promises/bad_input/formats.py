"""Files that are not what their names say, or that can be read in two ways."""

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
GOOD_TSV = GOOD.replace(",", "\t")
NAN = '{"sentence1": NaN}'
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


def table(*columns: list, names: str = "sentence1 sentence2 label"):
    """Return a function that writes columns as Parquet."""
    return lambda file: pq.write_table(pa.table(list(columns), names=names.split()), file)


def workbook(*sheets: list[list]):
    """Return a function that writes lists of rows as the sheets of an Excel file."""

    def write(file: Path) -> None:
        import openpyxl

        book = openpyxl.Workbook()
        for rows in sheets:
            sheet = book.create_sheet()
            for row in rows:
                sheet.append(row)
        book.save(file)

    return write


def zipped(name: str, content: str):
    """Return a function that writes a ZIP with one member."""

    def write(file: Path) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, content)

    return write


CSV = [
    train("csv_row_too_short", "x.csv", GOOD + "e,f\n", "x.csv:4: 2 fields, but the header has 3"),
    train("csv_quote_never_closed", "x.csv", GOOD + '"e","f,equivalent\n', "x.csv:4: unexpected"),
    train(
        "csv_quote_not_doubled",
        "x.csv",
        GOOD + '"e","f "g" h",equivalent\n',
        "x.csv:4: ",
        "a quote is written twice",
        "data.csv.quoting",
    ),
    train("csv_name_twice", "x.csv", "a,b,a\n1,2,3\n", "x.csv:1: duplicate column name: 'a'"),
    train("csv_empty", "x.csv", "", "x.csv:1: no header", "must name the columns"),
    train(
        "csv_text_cut_at_a_comma",
        "x.csv",
        GOOD.replace("\n", ",,\n") + "e,f,equivalent,so it was,\n",
        "x.csv:4: 'so it was'",
        "without a name",
        "in quotes",
    ),
    train(
        "csv_two_delimiters",
        "x.csv",
        "sentence1;sentence2,label\n1;5,2\n",
        "x.csv:1: ",
        "commas or semicolons",
        "data.csv.delimiter",
    ),
    train(
        "csv_quotes_of_two_meanings",
        "x.csv",
        GOOD + '"e,f,equivalent\ng",h,equivalent\n',
        "x.csv:4: ",
        "data.csv.quoting",
    ),
    train(
        "tsv_quotes_of_two_meanings",
        "x.tsv",
        GOOD_TSV + '"e"\tf\tequivalent\n',
        "x.tsv:4: ",
        "enclose a field or be a character",
        "data.csv.quoting to double or none",
    ),
    train(
        "tsv_row_too_long",
        "x.tsv",
        GOOD_TSV + "e\tf\tg\tequivalent\n",
        "x.tsv:4: 4 fields, but the header has 3",
    ),
    train(
        "csv_of_two_encodings",
        "x.csv",
        (GOOD + "für,x,equivalent\n").encode() + b"caf\xe9,x,equivalent\n",
        "x.csv:5: not UTF-8, though other lines are",
        "after 'caf'",
        "data.csv.encoding",
    ),
    train(
        "csv_cyrillic",
        "x.csv",
        (GOOD + "Это русский текст,Ещё один русский текст,equivalent\n").encode("cp1251"),
        "x.csv:4: not UTF-8, and no cp1252",
        "cp1251",
    ),
    train("csv_utf16_unmarked", "x.csv", GOOD.encode("utf-16-le"), "x.csv: ", "NUL", "utf-16-le"),
    train("csv_utf16_cut", "x.csv", GOOD.encode("utf-16")[:-1], "x.csv:3: not UTF-16, which its"),
    train(
        "csv_other_encoding",
        "x.csv",
        GOOD + "für,x,equivalent\n",
        "x.csv:4: not ASCII, after 'f'",
        encoding="ascii",
    ),
    train(
        "csv_git_lfs",
        "x.csv",
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "x.csv: a pointer of Git LFS",
        "git lfs pull",
    ),
    train(
        "csv_huge_cell",
        "x.zip",
        zipped("a.csv", HEADER + "a" * 11_000_000 + ",b,equivalent\n"),
        "x.zip!a.csv:2: a line of more than 10,000,000 characters",
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
    train("jsonl_nan", "x.jsonl", ROW + ROW.replace('"a"', "NaN"), "x.jsonl:2: NaN or Infinity"),
    train(
        "jsonl_list_as_text",
        "x.jsonl",
        ROW + ROW.replace('"a"', '["a"]'),
        "train row 2, column 'sentence1'",
        "expected a text, not a list; found ['a']",
    ),
    train(
        "jsonl_object_as_text",
        "x.jsonl",
        ROW.replace('"a"', '{"en": "a"}'),
        "train row 1, column 'sentence1'",
        "expected a text, not a dict",
    ),
    train("jsonl_number_beyond_floats", "x.jsonl", ROW.replace('"a"', "1e999"), "found inf"),
    train("jsonl_deep", "x.jsonl", ROW + "[" * 100_000, "x.jsonl:2: JSON that Python cannot"),
    train(
        "jsonl_half_a_character",
        "x.jsonl",
        ROW.replace('"a"', '"\\ud83d"'),
        "x.jsonl:1: \\ud83d alone is no character",
    ),
    train("jsonl_no_object", "x.jsonl", '"a"\n', "x.jsonl:1: expected an object, found"),
    train("jsonl_cut", "x.jsonl", ROW + ROW[:20], "x.jsonl:2: not JSON: Unterminated string"),
    train("json_comma", "x.json", f"[{ROW},,\n]", "x.json:2: not JSON:"),
    train("json_nan", "x.json", f"[{ROW}, {NAN}]", "x.json: row 2: NaN"),
    train("json_no_list", "x.json", '{"rows": []}', "x.json: expected a list of objects, or one"),
    BadInput(
        name="squad_without_context",
        recipe="sample-question_answering",
        changes={"data.files": {"train": "x.json"}},
        files={"x.json": '{"data": [{"paragraphs": [{"qas": [{"id": "1"}]}]}]}'},
        says=("x.json: article 1 is not as SQuAD has it", "`context`"),
    ),
]

TABLES = [
    train("parquet_damaged", "x.parquet", damaged, "x.parquet: not Parquet, or damaged: "),
    train("parquet_is_csv", "x.parquet", GOOD, "x.parquet: not Parquet, or damaged: "),
    train(
        "parquet_bytes_as_text",
        "x.parquet",
        table([b"a"], ["b"], ["equivalent"]),
        "column 'sentence1': expected a text, not a bytes; found b'a'",
    ),
    train(
        "parquet_name_twice",
        "x.parquet",
        table(["a"], ["b"], names="sentence1 sentence1"),
        "x.parquet: duplicate column name",
    ),
    train("arrow_is_csv", "x.arrow", GOOD, "x.arrow: not Arrow, or damaged: "),
    train("excel_is_csv", "x.xlsx", GOOD, "x.xlsx: not an Excel workbook"),
    train(
        "excel_two_sheets",
        "x.xlsx",
        workbook([["a"], ["b"]], [["c"], ["d"]]),
        "x.xlsx: expected one sheet that is not empty; found 'Sheet1', 'Sheet2'",
    ),
    train(
        "excel_column_without_name",
        "x.xlsx",
        workbook([["sentence1", None, "label"], ["a", "b", "equivalent"]]),
        "x.xlsx: row 2: 'b' is in a column whose first row has no name",
    ),
    train("excel_of_1997", "x.xls", b"\xd0\xcf\x11\xe0", "x.xls: unknown format '.xls'", ".xlsx"),
    train("word_document", "x.docx", b"PK", "x.docx: unknown format '.docx'; known formats: .csv"),
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
    train("gzip_is_csv", "x.csv.gz", GOOD, "x.csv.gz: broken archive", "pack it again"),
    train("zip_is_csv", "x.zip", GOOD, "x.zip: broken ZIP archive", "pack it again"),
    train(
        "zip_of_notes", "x.zip", zipped("a.md", ""), "x.zip: contains no file of a known", "a.md"
    ),
    train("zip_row", "x.zip", zipped("a.csv", GOOD + "e\n"), "x.zip!a.csv:4: 1 fields"),
    train("text_has_one_column", "x.txt", "a\nb\n", "no column 'sentence1'", "train has text"),
    BadInput(
        name="readme_among_tables",
        changes={"data.files": {"train": "mine"}},
        files={"mine/x.csv": GOOD, "mine/README.txt": "About"},
        says=("mine/README.txt is plain text among files of other formats", "data.glob"),
    ),
    BadInput(
        name="pattern_as_path",
        changes={"data.files": {"train": "tests/data/*.csv"}},
        says=("params.yaml:", "data.files.train", "tests/data/*.csv", "data.glob"),
    ),
    BadInput(
        name="glob_matches_nothing",
        changes={"data.files": {"train": "mine"}, "data.glob": "*.parquet"},
        files={"mine/x.csv": GOOD},
        says=("no file in mine matches data.glob '*.parquet'", "x.csv"),
    ),
]

CASES = [*CSV, *JSON, *TABLES, *FILES]
