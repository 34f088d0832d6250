"""Data as people keep it, for every task: forms that are read, and mistakes that are named."""

import io
import json
from pathlib import Path

import pytest
import yaml

from temper import params
from temper.cli.check import examine
from temper.core import yaml_file
from temper.core.errors import InputError
from temper.ingest import columns, readers
from tests.helpers.workspace import ROOT, change

CONLL = """-DOCSTART- -X- -X- O

Anna NNP I-NP B-PER
left VBD I-VP O

Oslo NNP I-NP B-LOC
"""


def read(path: Path) -> dict[str, list]:
    """Return a file's columns, its batches joined."""
    found: dict[str, list] = {}
    for batch in readers.read(path):
        for name, values in batch.items():
            found.setdefault(name, []).extend(values)
    return found


def test_conll_files_are_sentences(tmp_path):
    """A word a line, an empty line between, documents marked; the tag is the last column."""
    (tmp_path / "train.conll").write_text(CONLL)
    found = read(tmp_path / "train.conll")
    assert found == {"words": [["Anna", "left"], ["Oslo"]], "tags": [["B-PER", "O"], ["B-LOC"]]}


def test_published_squad_files_are_rows(tmp_path):
    """Articles hold paragraphs, paragraphs hold questions; no answer stays none."""
    qas = [
        {"id": "1", "question": "Who?", "answers": [{"text": "Anna", "answer_start": 0}]},
        {"id": "2", "question": "Why?", "answers": [], "is_impossible": True},
    ]
    tree = {"data": [{"title": "T", "paragraphs": [{"context": "Anna left.", "qas": qas}]}]}
    (tmp_path / "train.json").write_text(json.dumps(tree))
    found = read(tmp_path / "train.json")
    assert found["question"] == ["Who?", "Why?"]
    assert found["context"] == ["Anna left."] * 2
    answers = columns.convert(found["answers"], "answers", str)
    assert answers == [
        {"text": ["Anna"], "answer_start": [0]},
        {"text": [], "answer_start": []},
    ]


def test_a_folder_of_images_has_its_folders_as_labels(tmp_path):
    """The glob finds them; the bytes are the file's."""
    from PIL import Image

    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / label / "1.png")
    files = readers.find_files(str(tmp_path), "train", "*/*.png")
    found = [read(file) for file in files]
    assert [row["label"] for row in found] == [["cat"], ["dog"]]
    assert found[0]["image"] == [(tmp_path / "cat/1.png").read_bytes()]


def test_lists_in_text_files_and_columns_inside_of_columns():
    """Words between spaces, JSON lists, and a.b."""
    found = columns.convert(["Anna left", '["New York", "is"]', ["a"]], "texts", str)
    assert found == [["Anna", "left"], ["New York", "is"], ["a"]]
    data = {"translation": [{"en": "yes", "de": "ja"}, None]}
    assert columns.get(data, "translation.de", "train") == ["ja", None]
    with pytest.raises(InputError, match=r"no column 'translation\.fr'"):
        columns.get(data, "translation.fr", "train")


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("texts", 5, "expected a list of strings"),
        ("texts", "[broken", "found '\\[broken'"),
        ("image", b"no image", "no image that Pillow knows"),
        ("image", "cat.png", "expected the bytes of an image"),
        ("index", "two", "found 'two'"),
        ("answers", {"text": ["a"], "answer_start": []}, "different lengths"),
    ],
)
def test_a_value_of_another_kind_is_named(kind, value, message):
    """With the place, what was found, and no traceback of a library."""
    with pytest.raises(InputError, match=message) as caught:
        columns.convert([value], kind, lambda i: f"train row {i + 1}, column 'x'")
    assert str(caught.value).startswith("train row 1, column 'x': ")


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Return a function that checks a sample recipe with rows of its own."""

    def run(task: str, rows: list[dict], **changes) -> list[str]:
        recipe = ROOT / f"recipes/sample-{task}.yaml"
        tree = yaml.load(recipe.read_text(), Loader=yaml_file.Loader)
        monkeypatch.chdir(tmp_path)
        for name in ("data/sample", "launch", "stages", "temper", "dvc.yaml"):
            target = tmp_path / name
            target.parent.mkdir(exist_ok=True)
            if not target.exists():
                target.symlink_to(ROOT / name)
        Path("own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        tree["data"]["files"] = {"train": "own.jsonl"}
        tree = change(tree, {key.replace("__", "."): value for key, value in changes.items()})
        Path("params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
        return examine(params.load())[0]

    return run


@pytest.mark.parametrize(
    ("task", "row", "message"),
    [
        (
            "token_classification",
            {"words": ["Anna", "left"], "tags": ["O"]},
            "train row 21, column 'tags': 1 tags for 2 words",
        ),
        ("token_classification", {"wrods": [], "tags": []}, "no column 'words'"),
        ("multiple_choice", {"label": "first"}, "column 'label'"),
        ("question_answering", {"answers": {"text": ["a"]}}, "column 'answers'"),
    ],
)
def test_check_names_the_row(check, task, row, message):
    """Before anything runs: the file, the split, the row and the column."""
    source = ROOT / f"data/sample/{task}/test.jsonl"
    good = [json.loads(line) for line in source.read_text().splitlines()[:20]]
    rows = [*good, {**good[0], **row}] if "wrods" not in row else [row] * 20
    found = check(task, rows)
    assert any(message in mistake for mistake in found), found
    assert check(task, good * 2) == []


@pytest.mark.parametrize(
    ("task", "changes", "message"),
    [
        ("masked_lm", {"tokenize__max_length": 65}, "positions for 64 tokens"),
        ("question_answering", {"tokenize__stride": 60}, "room for 29 of the text"),
        (
            "causal_lm",
            {"train__metric_for_best_model": "exact_match"},
            "allowed: loss, perplexity, accuracy",
        ),
    ],
)
def test_check_names_what_cannot_be(check, task, changes, message):
    """Lengths, overlaps, and metrics that training does not compute."""
    source = "train.csv" if task in ("masked_lm", "causal_lm") else f"{task}/test.jsonl"
    from tests.helpers.samples import rows_of

    found = check(task, rows_of(ROOT / "data/sample" / source, 30), **changes)
    assert any(message in mistake for mistake in found), found


@pytest.mark.parametrize(
    ("task", "changes", "message"),
    [
        ("masked_lm", {"export__int8": True}, "export.int8: has no effect here with masked_lm"),
        ("seq2seq_lm", {"tokenize__max_target_length": None}, "tokenize.max_target_length"),
        ("token_classification", {"tokenize__overflow": "window"}, "tokenize.stride: missing"),
        ("token_classification", {"tokenize__window_pooling": "mean"}, "has no effect here"),
        ("multiple_choice", {"task__name": "multiple_choise"}, "did you mean 'multiple_choice'"),
        ("causal_lm", {"task__promt": None}, "did you mean 'prompt'"),
        ("masked_lm", {"evaluate__positive_label": "a"}, "must be null for masked_lm"),
    ],
)
def test_keys_belong_to_their_task(check, task, changes, message):
    """One that is not read, one that is missing, a task and a key that do not exist."""
    with pytest.raises(InputError) as caught:
        check(task, [], **changes)
    assert message in str(caught.value)
    assert "params.yaml:" in str(caught.value)


def test_images_that_break_off_are_named():
    """The header is there, the rest is not."""
    from PIL import Image

    from temper.tasks.image_classification import open_image

    whole = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(whole, "PNG")
    with pytest.raises(InputError, match="cannot be read"):
        open_image(whole.getvalue()[:200])
