"""A template of columns gives what a column with the finished text gives, in every stage."""

import json
import shutil
from pathlib import Path

import pytest

from temper.cli import check
from temper.core import artifacts
from temper.core.errors import InputError
from temper.tasks.base.arrays import as_rows
from tests.helpers import stage_runs
from tests.helpers.checks import only
from tests.helpers.export import score
from tests.helpers.samples import SEQ2SEQ, load
from tests.helpers.workspace import load_data

TEMPLATE = "{sentence1}\n{{and}} {sentence2} 7"
COLUMNS = {
    "sentence1": ["He opened it .", "", "Anna met Bob in Oslo ."],
    "sentence2": ["She closed the door behind her and left the house . " * 5, "x", "word " * 40],
    "label": ["blue", "red", "no box was open at all"],
}
ROOM = 40
CASES = {
    "sequence_classification": ("params.yaml", {"task__text": ["made"]}),
    "seq2seq_lm": (SEQ2SEQ, {"task__source": "made", "task__target_text": "label"}),
    "masked_lm": ("recipes/sample-masked_lm.yaml", {"task__text": "made"}),
    "causal_lm": ("recipes/sample-causal_lm.yaml", {"task__text": "made"}),
    "causal_lm prompts": (
        "recipes/sample-causal_lm.yaml",
        {"task__prompt": "made", "task__text": "label"},
    ),
}


def rendered():
    """Return the columns with the text that Python makes of the template."""
    rows = zip(COLUMNS["sentence1"], COLUMNS["sentence2"], strict=True)
    return COLUMNS | {"made": [TEMPLATE.format(sentence1=a, sentence2=b) for a, b in rows]}


def encoded(name, mode, **changes):
    """Return what a task encodes."""
    recipe, column = CASES[name]
    task, processor, _ = load(recipe, tokenize__max_length=ROOM, **(column | changes))
    given = {
        k: v for k, v in rendered().items() if name != "sequence_classification" or k != "label"
    }
    return task.encode(given, processor, mode=mode)


def with_template(name, **changes):
    """Return the changes that make the text by a template."""
    replaced = dict.fromkeys((k for k, v in CASES[name][1].items() if v in ("made", ["made"])))
    return replaced | {"task__template": TEMPLATE} | changes


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("mode", ["train", "predict"])
def test_gives_the_features_of_the_finished_text(name, mode):
    """The same tokens, labels and lengths, cut at the end of the text."""
    assert encoded(name, mode, **with_template(name)) == encoded(name, mode)


@pytest.mark.parametrize("name", ["sequence_classification", "seq2seq_lm", "causal_lm prompts"])
@pytest.mark.parametrize("column", ["sentence1", "sentence2"])
def test_cuts_the_column_that_is_named(name, column):
    """The rest of a text is whole as long as it fits, and what remains is filled."""
    changes = with_template(name, task__truncate_column=column)
    found, whole = encoded(name, "train", **changes), encoded(name, "train")
    assert found["full_length"] == whole["full_length"]
    _, processor, _ = load(CASES[name][0])
    texts = processor(rendered()["made"])["input_ids"]
    for i, ids in enumerate(found["input_ids"]):
        assert len(ids) <= ROOM
        prompt = ids[: found["prompt_length"][i]] if "prompt_length" in found else ids
        if whole["full_length"][i] <= ROOM:
            assert ids == whole["input_ids"][i]
        elif column == "sentence2":
            assert prompt[:6] == texts[i][:6]
            assert processor.decode(prompt, skip_special_tokens=True).endswith(
                "7"
            )  # the template's
            assert len(ids) >= ROOM - 2
            if prompt is not ids:  # the completion is whole
                ends = processor(COLUMNS["label"][i], add_special_tokens=False)["input_ids"]
                assert ids[len(prompt) :] == [*ends, processor.eos_token_id]


def test_completions_are_generated_from_the_prompt_that_predict_has():
    """A prompt is cut the same with a long completion, a short one and none."""
    name = "causal_lm prompts"
    changes = CASES[name][1] | with_template(name, task__truncate_column="sentence2")
    task, processor, _ = load(CASES[name][0], tokenize__max_length=ROOM, **changes)
    given = {column: COLUMNS[column] for column in ("sentence1", "sentence2")}
    features = {}
    for label in (["a"] * 3, ["no box was open at all"] * 3, None):
        mode, labels = ("evaluate", {"label": label}) if label else ("predict", {})
        columns = task.encode(given | labels, processor, mode=mode)
        rows = as_rows(columns)
        features[label and label[0]] = task.prompts(rows, processor)["input_ids"].tolist()
        assert label is None or all(row["length"] > row["prompt_length"] for row in rows)
    assert features["a"] == features["no box was open at all"] == features[None]


def test_a_text_that_is_too_long_without_the_column_is_cut_at_its_end():
    """The column is gone then."""
    changes = with_template("sequence_classification", task__truncate_column="sentence1")
    found = encoded("sequence_classification", "train", **changes)
    _, processor, _ = load("params.yaml")
    expected = processor(TEMPLATE.format(sentence1="", sentence2=COLUMNS["sentence2"][0]))
    assert found["input_ids"][0][: ROOM - 1] == expected["input_ids"][: ROOM - 1]


@pytest.fixture
def template(exported, write_params):
    """Return a function that writes params.yaml with a template, beside an exported model."""
    return lambda text=TEMPLATE: write_params(task__text=None, task__template=text)


def add_made_column():
    """Add the finished text to the tests' data."""
    import pandas as pd

    for file in Path("tests/data").glob("*.csv"):
        table = pd.read_csv(file)
        table["made"] = [
            TEMPLATE.format(sentence1=a, sentence2=b)
            for a, b in zip(table["sentence1"], table["sentence2"], strict=True)
        ]
        table.to_csv(file, index=False)


def test_evaluate_and_predict_read_the_finished_text(template, write_params):
    """Scores, baselines, worst rows and answers are those of a column that holds it."""
    add_made_column()
    outputs = {}
    for kind in ("column", "template"):
        parameters = template() if kind == "template" else write_params(task__text=["made"])
        shutil.rmtree("data/evaluation")
        load_data(parameters)
        stage_runs.evaluate()
        config = artifacts.read_json(Path("data/export/config.json"))
        config["temper"]["task"] = parameters.task.model_dump(mode="json", exclude_defaults=True)
        artifacts.write_json(Path("data/export/config.json"), config)
        rows = score(Path("data/export"), Path("tests/data/test.csv").read_text())
        worst = Path("data/evaluation/worst.csv").read_text().split("\n", 1)
        outputs[kind] = artifacts.read_json(Path("data/evaluation/metrics.json")), worst[1], rows
        assert worst[0].endswith({"template": "score,text", "column": "score,made"}[kind])
    assert outputs["template"] == outputs["column"]
    with pytest.raises(InputError, match=r"new.csv has no column 'sentence2' \(did you mean 's"):
        score(Path("data/export"), "sentence1,sentence3\na,b\n")


def test_check_names_the_column_the_file_and_the_key(template):
    """A column that no row has is reported before anything runs."""
    parameters = template("{sentence1} {sentense2}")
    Path("dvc.yaml").write_text("stages: {}\n")
    mistake = only([m for m in check.examine(parameters)[0] if "sentense2" in m])
    assert "task.template: no column 'sentense2' in train (tests/data/train.csv)" in mistake
    assert "did you mean 'sentence2'?" in mistake


def test_the_card_shows_what_a_pipeline_is_called_with():
    """Columns stand as placeholders in the finished text."""
    for name, start in (("masked_lm", 'model("'), ("seq2seq_lm", 'tokenizer("')):
        task, _, _ = load(CASES[name][0], **with_template(name))
        text = TEMPLATE.format(sentence1="<sentence1>", sentence2="<sentence2>")
        assert f"{start}{json.dumps(text)[1:-1]}" in task.snippet()
