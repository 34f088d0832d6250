"""Files of every format become the same rows, or an error that names the line."""

import json

import pytest

from temper.core.errors import InputError
from temper.ingest import columns, local_files
from tests.helpers.archives import ROWS, columns_of
from tests.helpers.downloads import SINGLE, get, one_file


def test_csv_cells_stay_text(write_params, tmp_path, monkeypatch):
    """NA, None, null, 1 and an empty text stay what they are."""
    monkeypatch.chdir(tmp_path)
    rows = one_file('text,label\nNA,a\nNone,b\nnull,a\n1,b\n"",a\n"a, ""b"" 中文",b\n')
    found, summary = get(write_params, **SINGLE, **rows)
    assert found["train"]["text"] == ["NA", "None", "null", "1", "", 'a, "b" 中文']
    assert summary["empty_texts"] == 1
    assert found["train"].features["label"].names == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("text,label\na,b\nc\n", r"train.csv:3: 1 fields, but the header has 2"),
        ("text,label\nx,a\n,\ny,b\n", "row 2, column 'label': no label"),
        ("txet,label\na,b\nc,d\n", r"did you mean 'txet'"),
        ("text,label\n", "train has no rows"),
        ("text,label\na,x\nb,x\n", "two are needed"),
    ],
)
def test_names_broken_files(write_params, tmp_path, monkeypatch, text, message):
    """The error has the file, the line or row, the value and what is allowed."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        get(write_params, **SINGLE, **one_file(text))


@pytest.mark.parametrize("count", [999, 1000, 1001, 2000])
@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_reads_files_of_any_length(tmp_path, count, suffix):
    """A full last batch loses nothing, and no batch lacks a column."""
    file = tmp_path / f"rows.{suffix}"
    if suffix == "csv":
        file.write_text("a\n" + "".join(f"{i}\n" for i in range(count)))
    else:
        file.write_text("".join(f'{{"a": {i}}}\n' for i in range(count)))
    batches = list(local_files.read([file]))
    assert all(batch.keys() == {"a"} for batch in batches)
    assert [int(value) for batch in batches for value in batch["a"]] == list(range(count))


def test_reads_a_folder_by_glob(tmp_path):
    """{split} in the pattern is the split's name."""
    for name in ("train-1.csv", "train-0.csv", "test-0.csv"):
        (tmp_path / name).write_text("text,label\n")
    found = local_files.find_files(str(tmp_path), "train", "{split}-*.csv")
    assert [path.name for path in found] == ["train-0.csv", "train-1.csv"]
    with pytest.raises(InputError, match=r"matches data\.glob"):
        local_files.find_files(str(tmp_path), "train", "*.parquet")


def test_reads_published_squad_files_as_rows(tmp_path):
    """Articles and paragraphs are flattened, and a question without an answer keeps none."""
    qas = [
        {"id": "1", "question": "Who?", "answers": [{"text": "Anna", "answer_start": 0}]},
        {"id": "2", "question": "Why?", "answers": [], "is_impossible": True},
    ]
    tree = {"data": [{"title": "T", "paragraphs": [{"context": "Anna left.", "qas": qas}]}]}
    (tmp_path / "train.json").write_text(json.dumps(tree))
    found = columns_of(tmp_path / "train.json")
    assert found["question"] == ["Who?", "Why?"]
    assert found["context"] == ["Anna left."] * 2
    answers = columns.convert(found["answers"], "answers", str)
    assert answers == [{"text": ["Anna"], "answer_start": [0]}, {"text": [], "answer_start": []}]


def test_labels_images_by_their_folder(tmp_path):
    """The glob finds them, and the bytes are those of the files."""
    from PIL import Image

    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / label / "1.png")
    files = local_files.find_files(str(tmp_path), "train", "*/*.png")
    found = [columns_of(file) for file in files]
    assert [row["label"] for row in found] == [["cat"], ["dog"]]
    assert found[0]["image"] == [(tmp_path / "cat/1.png").read_bytes()]


def test_reads_lists_in_text_files_and_nested_columns():
    """Words are split at spaces or read from JSON, and `a.b` is a column inside a column."""
    found = columns.convert(["Anna left", '["New York", "is"]', ["a"]], "texts", str)
    assert found == [["Anna", "left"], ["New York", "is"], ["a"]]
    data = {"translation": [{"en": "yes", "de": "ja"}, None]}
    assert columns.get_column(data, "translation.de", "train") == ["ja", None]
    with pytest.raises(InputError, match=r"no column 'translation\.fr'"):
        columns.get_column(data, "translation.fr", "train")


def test_reads_a_text_file_line_by_line(tmp_path):
    """Empty lines are skipped; commas, quotes and outer spaces stay, whatever ends a line."""
    file = tmp_path / "x.txt"
    file.write_bytes('\ufeffone, "two"\r\n\n   \n  three \nvier ü'.encode())
    assert columns_of(file) == {"text": ['one, "two"', "  three ", "vier ü"]}
    file.write_bytes(b"")
    assert columns_of(file) == {"text": []}
    file.write_bytes(b"".join(b"%d\n" % i for i in range(2001)))
    assert columns_of(file)["text"] == [str(i) for i in range(2001)]


def write_as_pandas(file, index):
    """Write Parquet with the metadata pandas adds: its index is a column, or a range."""
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = dict(ROWS)
    if isinstance(index, str):
        columns[index] = [3, 4]
    metadata = {b"pandas": json.dumps({"index_columns": [index], "columns": []}).encode()}
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), file)


@pytest.mark.parametrize(
    "index", ["__index_level_0__", {"kind": "range", "start": 0, "stop": 2, "step": 1}]
)
def test_ignores_an_index_of_pandas_without_a_name(tmp_path, index):
    """It is a column of its own or a range."""
    write_as_pandas(tmp_path / "x.parquet", index)
    assert columns_of(tmp_path / "x.parquet") == ROWS


def test_an_index_of_pandas_with_a_name_is_a_column(tmp_path):
    """`set_index` puts a column there that the task may need."""
    write_as_pandas(tmp_path / "x.parquet", "id")
    assert columns_of(tmp_path / "x.parquet") == ROWS | {"id": [3, 4]}


@pytest.mark.parametrize("name", ["x.yaml", "x.gz", "x.yaml.gz", "x"])
def test_refuses_unknown_formats(tmp_path, name):
    """The error lists the known ones."""
    (tmp_path / name).write_text("")
    with pytest.raises(
        InputError, match=r"unknown format '.*'; known formats: \.csv, .* with \.gz"
    ):
        local_files.find_files(str(tmp_path / name), "train", "*")


def test_links_to_folders_that_a_pattern_does_not_read_are_left_alone(tmp_path):
    """Beside what stands before `**`, or in hidden folders; others would be left out."""
    data = tmp_path / "data"
    for name in ("data/train/a/1.csv", "data/test/1.csv", "data/.cache/b/2.csv", "other/3.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in ("unrelated", "test2", ".cache/link", "train/.own"):
        (data / name).symlink_to(tmp_path / "other")

    def find(pattern):
        return local_files.find_files(str(data), "train", pattern)

    for pattern in ("{split}/**/*.csv", "t*n/**/*.csv", "*/a/**/*.csv", "*/a/*.csv"):
        assert find(pattern) == [data / "train/a/1.csv"]
    for pattern, link in (("**/*.csv", "test2"), (".cache/**/*.csv", ".cache/link")):
        with pytest.raises(InputError, match=f"data/{link} is a link to a folder"):
            find(pattern)
    for pattern in ("test2/**/*.csv", "test2/*.csv"):
        with pytest.raises(InputError, match="data/test2 is a link to a folder"):
            find(pattern)
    (data / "train/a/deep").symlink_to(tmp_path / "other")
    with pytest.raises(InputError, match="data/train/a/deep is a link to a folder"):
        find("{split}/**/*.csv")


def test_readme_among_tables_is_not_data(tmp_path):
    """Text files need a split of their own, or the pattern leaves them out."""
    for name in ("train.csv", "README.txt", "notes.txt.gz"):
        (tmp_path / name).write_text("text\n")
    with pytest.raises(InputError, match=r"README\.txt is plain text among files .* data\.glob"):
        local_files.find_files(str(tmp_path), "train", "*")
    assert len(local_files.find_files(str(tmp_path), "train", "*.txt*")) == 2
    assert len(local_files.find_files(str(tmp_path), "train", "*.csv")) == 1


def test_files_that_systems_add_are_no_data(tmp_path):
    """Of a folder as of an archive; a pattern that names hidden files means them."""
    added = ("a/Thumbs.db", "a/Desktop.ini", "a/._1.png", ".DS_Store", "__MACOSX/a/1.png")
    for name in (*added, "a/1.png", ".own/1.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for pattern, expected in (("**/*", "a/1.png"), (".own/*", ".own/1.png")):
        assert local_files.find_files(str(tmp_path), "train", pattern) == [tmp_path / expected]
