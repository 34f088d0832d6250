"""`temper check` names every mistake, with its line in params.yaml."""

import re
from pathlib import Path

import pytest
import yaml

from temper import params
from temper.cli import check
from temper.core import artifacts
from temper.core.errors import InputError
from tests.helpers.checks import examine, line_of, only
from tests.helpers.workspace import ROOT

LORA = {"rank": 2, "alpha": 4.0, "dropout": 0.0}
NO_VALIDATION = {
    "data__files": {"train": "tests/data/train.csv"},
    "data__split": {"validation": 0.0, "test": 0.0, "seed": 7},
}
UNUSED = NO_VALIDATION | {"train__metric_for_best_model": "loss"}


def test_valid_parameters_have_no_mistakes(write_params):
    """The facts are those of the files."""
    found, facts = examine(write_params)
    assert found == []
    assert facts["data"] == "train 96 rows, validation 32 rows, test 24 rows"
    assert facts["labels"] == "not_equivalent 47, equivalent 49"
    assert facts["steps"] == "6 per epoch, 12 in total"
    assert facts["launch"] == "single: 1 process x 16 examples"
    _, facts = examine(write_params, train__model_soup_size=3)
    assert facts["steps"] == "6 per epoch, 36 in total"
    _, facts = examine(write_params, train__resampling="over")
    assert facts["steps"] == "about 6 per epoch, about 12 in total"


def test_names_every_mistake_together(write_params):
    """Pipeline, launch file, metric, columns, files, labels and model are named in one go."""
    found, _ = examine(
        write_params,
        'stages: {train: {cmd: "python -m stages.trian", deps: [stages/arow.py]}}\n',
        train__launch="singel",
        train__metric_for_best_model="acuracy",
        train__freeze__layers=40,
        task__text=["sentence1", "sentense2"],
        task__labels=["not_equivalent", "equivalnt"],
        evaluate__positive_label="equivalnt",
        data__files={"train": "tests/data/train.csv", "test": "nowhere.csv"},
        data__extra_columns=["topik"],
        tokenize__max_length=99,
        model__config={"hidden_siz": 3, "vocab_size": "many"},
    )
    text = "\n".join(found)
    for part in (
        "dvc.yaml:1: stages/trian.py does not exist",
        "dvc.yaml:1: stages/arow.py does not exist",
        "no launch/singel.yaml (did you mean 'single'?); there are cpu_2, fsdp",
        "did you mean 'accuracy'",
        f"params.yaml:{line_of('layers: 40')}: train.freeze.layers is 40; the model has",
        f"params.yaml:{line_of('text:')}: task.text: no column 'sentense2' in train "
        "(tests/data/train.csv) (did you mean 'sentence2'?); train has sentence1, sentence2, label",
        "data.extra_columns: no column 'topik' in train",
        "49 rows of train have the label 'equivalent' (did you mean 'equivalnt'?); there are "
        "not_equivalent, equivalnt",
        "data.files.test: no such file or folder: nowhere.csv",
        "positions for 64 tokens",
        f"params.yaml:{line_of('hidden_siz')}: model.config.hidden_siz: BertConfig has no such key "
        "(did you mean 'hidden_size'?)",
        f"params.yaml:{line_of('vocab_size')}: model.config.vocab_size: expected int",
    ):
        assert part in text
    assert len(found) == 12


@pytest.mark.parametrize(
    ("changes", "key", "message"),
    [
        ({"task__labels": None, "evaluate__positive_label": None}, "positive_label", "ambiguous"),
        (
            {"task__labels": None, "evaluate__positive_label": "equivalant"},
            "positive_label",
            "'equivalant' is not a label of the data (did you mean 'equivalent'?)",
        ),
        (
            {"task__labels": None, "train__class_weights": [1.0, 2.0, 3.0]},
            "class_weights",
            "3 numbers for 2 labels (equivalent, not_equivalent)",
        ),
        (
            {"train__launch": "cpu_2", "train__batch_size": 7},
            "batch_size",
            "not a multiple of 2 proc",
        ),
        ({"task__label": "labell"}, "  label:", "no column 'labell' in train"),
        ({"task__label": "sentence3"}, "  label:", "train has sentence1, sentence2, label"),
        (NO_VALIDATION, "metric_for_best_model", "needs a validation split with labels"),
        (
            UNUSED | {"evaluate__temperature": "tuned"},
            "temperature",
            "needs a validation split with labels",
        ),
        (
            UNUSED | {"train__weight_averaging": {"kind": "last", "count": 2}},
            "weight_averaging",
            "needs a validation split with labels",
        ),
        (
            {"train__weight_averaging": {"kind": "last", "count": 3}},
            "weight_averaging",
            "count is 3, but training evaluates 2 times; see train.evaluate_every",
        ),
        (
            {"model__lora": LORA | {"target_modules": ["q_proj"]}},
            "  lora:",
            "no linear layer is named q_proj; there are dense, key, query, value",
        ),
        ({"model__files": {"sample": "launch"}}, "sample: launch", "launch has no config.json"),
        ({"model__from_scratch": False}, "sample: data", "weights must be safetensors"),
        ({"data__files": {"train": "launch"}}, "train: launch", "unknown format '.yaml'"),
    ],
)
def test_names_each_mistake_at_its_line(write_params, changes, key, message):
    """The message has the value and what is allowed."""
    mistake = only(examine(write_params, **changes)[0])
    assert message in mistake
    assert mistake.startswith(f"params.yaml:{line_of(key)}: ")


def test_names_what_the_machine_lacks(write_params, monkeypatch):
    """8-bit AdamW without a GPU is refused first."""
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found, _ = examine(write_params, train__optimizer="adamw_8bit")
    assert "train.optimizer: adamw_8bit needs a GPU, and there is none" in only(found)


def test_reports_schema_and_pipeline_mistakes_together(write_params):
    """What can be checked without valid parameters is checked too."""
    write_params()
    tree = yaml.safe_load(Path("params.yaml").read_text())
    tree["train"]["epoch"] = tree["train"].pop("epochs")
    Path("params.yaml").write_text(yaml.safe_dump(tree))
    Path("dvc.yaml").write_text("stages: {a: {deps: [stages/gone.py, 'stages/${x.y}.py']}}\n")
    with pytest.raises(InputError) as caught:
        check.check()
    text = str(caught.value)
    assert "train.epoch: unknown key (did you mean 'epochs'?)" in text
    assert "train.epochs: missing" in text
    assert text.count("does not exist") == 1


def test_counts_mistakes_and_writes_nothing(write_params, capsys):
    """Mistakes end in an InputError, their absence in a table."""
    examine(write_params)
    before = artifacts.sha256_tree(Path())
    check.check()
    assert "no mistakes found" in capsys.readouterr().out
    assert artifacts.sha256_tree(Path()) == before
    examine(write_params, train__launch="x", tokenize__max_length=99)
    with pytest.raises(InputError, match=re.escape("2 mistakes; nothing was run\n  params.yaml:")):
        check.check()


def test_hub_sources_are_not_fetched(write_params):
    """The check reads nothing from the network."""
    hub = {"name": "a/b", "config": None, "revision": None, "splits": {}}
    changes = {"data__source": "hub", "data__hub": hub, "data__files": {}}
    found, facts = examine(write_params, **changes, model__name="c/d", model__files={})
    assert found == []
    assert facts["data"] == "a/b on the Hub; checked when it is downloaded"
    assert facts["model"] == "c/d on the Hub; checked when it is downloaded"


def test_committed_parameters_pass(monkeypatch):
    """The sample has no mistakes as committed."""
    monkeypatch.chdir(ROOT)
    assert check.examine(params.load())[0] == []
