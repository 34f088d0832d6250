"""Rows of anchors: which of their texts may be missing, and which rows are the same."""

import pytest

from temper.core import arrow
from temper.core.errors import InputError
from temper.ingest import dataset
from temper.params.data import DataParams
from temper.params.task import Embeddings

TASK = Embeddings(name="embeddings", anchor="anchor", positive="positive", negative="negative")
DATA = DataParams(
    source="files",
    files={"train": "train.jsonl", "test": "test.jsonl"},
    split={"validation": 0.0, "test": 0.0, "seed": 1},
    license="mit",
    description="rows",
)
ROWS = [
    {"anchor": "a", "positive": "b", "negative": "c"},
    {"anchor": "a", "positive": "d", "negative": "c"},
    {"anchor": "a", "positive": "b", "negative": "c"},
]


@pytest.fixture
def download(tmp_path):
    """Return a function from the rows of train and test to the splits and their summary."""

    def run(train, test):
        source = {
            split: [{name: [row[name] for row in rows] for name in rows[0]}]
            for split, rows in (("train", train), ("test", test))
        }
        summary = dataset.write(source, TASK, DATA, tmp_path)
        return arrow.load(tmp_path), summary

    return run


@pytest.mark.parametrize(
    "rest", [{}, {"positive": None}, {"positive": " ", "negative": ""}, {"negative": "c"}]
)
def test_rows_to_predict_have_an_anchor_alone(download, rest):
    """Without positives a split is unlabelled, and negatives are not asked for."""
    found, summary = download(ROWS, [{"anchor": "x"} | rest] * 2)
    assert not summary["splits"]["test"]["labelled"]
    assert found["test"]["positive"] == [None, None]
    assert summary["empty_texts"] == 0


def test_repeated_rows_have_the_same_texts(download):
    """Another positive of an anchor is another row."""
    _, summary = download(ROWS, [{"anchor": "x"}] * 2)
    assert summary["splits"]["train"]["duplicates"] == 1
    assert summary["splits"]["test"]["duplicates"] == 1


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"negative": " "}, "train row 4, column 'negative': no text"),
        ({"negative": None}, "train row 4, column 'negative': no text"),
        ({"anchor": " "}, "train row 4, column 'anchor': no text"),
        ({"anchor": None}, "train row 4, column 'anchor': no text"),
        ({"positive": " "}, "train row 4, column 'positive': no label"),
        ({"positive": None}, "train row 4, column 'positive': no label"),
    ],
)
def test_a_labelled_row_has_all_its_texts(download, texts, message):
    """An empty document is none to learn from, nor is an empty query."""
    with pytest.raises(InputError, match=message):
        download([*ROWS, ROWS[0] | texts], ROWS)


def test_a_labelled_split_has_negatives(download):
    """A test split with positives lacks the column."""
    with pytest.raises(InputError, match="test has no column 'negative'"):
        download(ROWS, [{"anchor": "x", "positive": "y"}])
