"""Rows of every task are checked before anything runs."""

import json

import pytest

from temper import params
from temper.check import data_checks
from temper.check.data_checks import LocalSplit
from temper.check.findings import Findings
from temper.params.schema import SpanDecoding
from tests.helpers.workspace import ROOT


@pytest.mark.parametrize(
    ("task", "row", "message"),
    [
        (
            "token_classification",
            {"words": ["Anna", "left"], "tags": ["O"]},
            "train row 21, column 'tags': 1 tags for 2 words",
        ),
        ("token_classification", {"wrods": [], "tags": []}, "no column 'words'"),
    ],
)
def test_names_the_row_and_column(check_sample, task, row, message):
    """A malformed row is named with its file, split, row and column before anything runs."""
    source = ROOT / f"data/sample/{task}/test.jsonl"
    good = [json.loads(line) for line in source.read_text().splitlines()[:20]]
    rows = [*good, {**good[0], **row}] if "wrods" not in row else [row] * 20
    found = check_sample(task, rows)
    assert any(message in mistake for mistake in found), found
    assert check_sample(task, good * 2) == []


@pytest.mark.parametrize(
    ("task", "changes", "message"),
    [
        ("masked_lm", {"tokenize__max_length": 65}, "positions for 64 tokens"),
        ("question_answering", {"tokenize__stride": 60}, "room for 29 of the text"),
        (
            "causal_lm",
            {"train__metric_for_best_model": "exact_match"},
            "there are loss, perplexity, accuracy",
        ),
    ],
)
def test_names_impossible_settings_of_a_task(check_sample, task, changes, message):
    """Lengths, overlaps and metrics that training does not compute are refused."""
    source = "train.csv" if task in ("masked_lm", "causal_lm") else f"{task}/test.jsonl"
    from tests.helpers.samples import rows_of

    found = check_sample(task, rows_of(ROOT / "data/sample" / source, 30), **changes)
    assert any(message in mistake for mistake in found), found


@pytest.mark.parametrize("threshold", [None, 0.0])
def test_counts_questions_without_an_answer(tmp_path, threshold):
    """And says where each of them gets one all the same."""
    parameters = params.load(ROOT / "recipes/sample-question_answering.yaml")
    decoding = SpanDecoding(n_best=2, max_answer_length=5, no_answer_threshold=threshold)
    evaluate = parameters.evaluate.model_copy(update={"span_decoding": decoding})
    file, none = tmp_path / "own.jsonl", {"text": [], "answer_start": []}
    rows = [{"question": "Who?", "context": "Anna left.", "answers": none}] * 3
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    findings, split = Findings(facts={}), LocalSplit(files=[file], columns=[*rows[0]])
    data_checks.read_splits(
        parameters.model_copy(update={"evaluate": evaluate}), {"train": split}, findings
    )
    counted, *advice = findings.facts["files"].splitlines()
    assert counted == "train: 3 questions have no answer"
    assert ["evaluate.span_decoding.no_answer_threshold" in line for line in advice] == [True] * (
        threshold is None
    )
