"""`temper check` names every mistake at once, with the place it stands in, and writes nothing."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from temper import params
from temper.cli import check, main
from temper.core import artifacts
from temper.core.errors import InputError
from temper.models import loading
from temper.models.config import wrap_config
from tests.helpers.workspace import ROOT

LORA = {"rank": 2, "alpha": 4.0, "dropout": 0.0}
CUT = {"validation": 0.0, "test": 0.0, "seed": 7}


def examine(write_params, pipeline="stages: {}\n", **changes):
    """Return the mistakes and facts of changed parameters."""
    parameters = write_params(**changes)
    Path("dvc.yaml").write_text(pipeline)
    return check.examine(parameters)


def only(found):
    (mistake,) = found
    return mistake


def line_of(fragment):
    lines = Path("params.yaml").read_text().splitlines()
    return next(i for i, line in enumerate(lines, 1) if fragment in line)


def test_the_tests_own_parameters_are_all_right(write_params):
    """No mistake, and the facts are those of the files."""
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


def test_every_mistake_is_named_at_once(write_params):
    """Pipeline, launch file, metric, columns, files, labels and model in one go."""
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
        "49 rows of train have the label 'equivalent' (did you mean 'equivalnt'?); allowed: "
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
            {
                "task__labels": ["not_equivalent", "equivalent", "unsure"],
                "train__class_weights": "balanced",
            },
            "class_weights",
            "train has no rows of unsure",
        ),
        ({"train__launch": "cpu_2", "train__batch_size": 7}, "batch_size", "not a multiple of 2 proc"),
        ({"task__label": "labell"}, "  label:", "no column 'labell' in train"),
        ({"task__label": "sentence3"}, "  label:", "train has sentence1, sentence2, label"),
        (
            {"data__files": {"train": "tests/data/train.csv"}, "data__split": CUT},
            "metric_for_best_model",
            "needs a validation split with labels",
        ),
        (
            {
                "data__files": {"train": "tests/data/train.csv"},
                "data__split": CUT,
                "train__metric_for_best_model": "loss",
                "train__weight_averaging": {"kind": "last", "count": 2},
            },
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
        (
            {
                "task__labels": None,
                "model__config": {"num_hidden_layers": 0},
                "train__layer_decay": 0.5,
            },
            "layer_decay",
            "has no list of layers",
        ),
        ({"model__files": {"sample": "launch"}}, "sample: launch", "launch has no config.json"),
        ({"model__from_scratch": False}, "sample: data", "weights must be safetensors"),
        ({"data__files": {"train": "launch/single.yaml"}}, "train: launch", "unknown format"),
        ({"data__files": {"train": "launch"}}, "train: launch", "unknown format '.yaml'"),
    ],
)
def test_single_mistakes(write_params, changes, key, message):
    """Each at the line of its key, with what was found and what is allowed."""
    mistake = only(examine(write_params, **changes)[0])
    assert message in mistake
    assert mistake.startswith(f"params.yaml:{line_of(key)}: ")


def test_fp16_needs_a_gpu(write_params, monkeypatch):
    """And is all right where there is one."""
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "fp16 needs a GPU" in only(examine(write_params, train__precision="fp16")[0])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert examine(write_params, train__precision="fp16")[0] == []


@pytest.mark.parametrize(
    ("head", "own", "changes", "message"),
    [
        ({"kind": "linear", "pooling": "mean", "dropout": 0.1}, None, {}, None),
        (
            {"kind": "linear", "dropout": 0.1},
            None,
            {},
            "model.head: the one that sample has: pooling makes one vector of a text",
        ),
        (None, "mine.Bag", {}, "model.custom_class: sample was made by mine.Bag; name that class"),
        (None, None, {"num_attention_heads": 3}, "transformers cannot build this bert for Auto"),
        (None, None, {"hidden_act": "gello"}, "model.config: transformers cannot build this"),
    ],
)
def test_the_network_is_built_without_weights(write_params, head, own, changes, message):
    """An earlier model's head or class, and a config that no class takes."""
    write_params()
    folder = Path("data/sample/model")
    if head or own:
        wrap_config(loading.open_config(folder), head, own).save_pretrained(folder)
    found, _ = examine(write_params, model__config=changes)
    if message is None:
        assert found == []
    else:
        assert message in only(found)


def test_what_the_machine_lacks_is_said_before_anything_runs(write_params, monkeypatch):
    """A GPU for 8-bit AdamW, a reporter's package."""
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found, _ = examine(write_params, train__optimizer="adamw_8bit")
    assert "train.optimizer: adamw_8bit needs a GPU, and none is here" in only(found)
    monkeypatch.setenv("TEMPER_REPORT_TO", "tensorbord")
    assert "TEMPER_REPORT_TO: tensorbord: unknown (did you" in only(examine(write_params)[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sentence1,sentence2,label\n", "train has no rows"),
        ("sentence1,sentence2,label\na,b,equivalent\na,b\n", "own.csv:3: 2 fields"),
        ("sentence1,sentence2,label\na,b,equivalent\na,c,\n", "row 2, column 'label': no label"),
        ("sentence1,sentence2,label\na,b,\na,c,-1\n", "has no labels; all are empty"),
        ("sentence1,sentence2,label\na,b,equivalent\n", "validation has labels that train lacks"),
        ("sentence1,sentence1,label\na,b,equivalent\n", "own.csv:1: a column name stands twice"),
    ],
)
def test_broken_data_is_named_with_its_file(write_params, write_csv, text, message):
    """Empty, torn, half-labelled and unlabelled training files."""
    files = {"train": "own.csv", "validation": "tests/data/validation.csv"}
    changes = {"data__files": files, "task__labels": ["not_equivalent", "equivalent"]}
    write_params()
    write_csv("own.csv", text)
    found, _ = examine(write_params, **changes)
    assert message in found[0]
    assert "own.csv" in found[0] or "validation.csv" in found[0]


def test_regression_is_checked_row_by_row(write_params, write_csv):
    """A label that is no number, and loss options that are about classes."""
    write_params()
    write_csv("own.csv", "sentence1,label\na,1.5\nb,-1\nc,high\n")
    task = {"problem_type": "regression", "text": ["sentence1"], "labels": None}
    changes = {f"task__{key}": value for key, value in task.items()}
    changes |= {"data__files": {"train": "own.csv"}, "train__metric_for_best_model": "mse"}
    changes |= {"evaluate__positive_label": None}
    for name, value in (("class_weights", "balanced"), ("label_smoothing", 0.1)):
        with pytest.raises(InputError, match=rf"train\.{name}: {value!r} is about classes"):
            examine(write_params, **changes | {f"train__{name}": value})
    found, _ = examine(write_params, **changes)
    assert "own.csv: train row 3, column 'label': 'high' is not a number" in only(found)
    write_csv("own.csv", "sentence1,label\na,1.5\nb,-1\nc,3\n" + "d,4\n" * 17)
    found, facts = examine(write_params, **changes)
    assert found == []
    assert facts["data"].startswith("train 16 rows, validation 2 rows (split from train)")


def test_rows_in_two_splits_are_an_error_where_they_are_to_be(write_params, write_csv):
    """data.overlap decides; what drop_from_train removes is not counted."""
    write_params()
    rows = [f"a{i},b,{'equivalent' if i % 2 else 'not_equivalent'}\n" for i in range(10)]
    write_csv("one.csv", "sentence1,sentence2,label\n" + "".join(rows))
    write_csv("two.csv", "sentence1,sentence2,label\n" + "".join(rows[:3]))
    files = {"data__files": {"train": "one.csv", "validation": "two.csv", "test": "two.csv"}}
    found, _ = examine(write_params, **files, data__overlap="error")
    assert "data.overlap: 3 rows of train in validation" in only(found)
    _, facts = examine(write_params, **files, data__overlap="drop_from_train")
    assert facts["data"].startswith("train 7 rows, validation 3 rows")


def test_numbers_that_stand_for_names_are_counted_by_name(write_params, write_csv):
    """0 and 1 with task.labels given are ids; an unlabelled split is said to be one."""
    write_params()
    write_csv("one.csv", "sentence1,sentence2,label\na,b,0\na,c,1\na,d,1\na,e,1\n")
    write_csv("test.csv", "sentence1,sentence2\na,z\n")
    files = {"train": "one.csv", "validation": "one.csv", "test": "test.csv"}
    found, facts = examine(write_params, data__files=files)
    assert found == []
    assert facts["labels"] == "not_equivalent 1, equivalent 3"
    assert facts["data"].endswith("test 1 rows (no labels: predicted, not scored)")


def test_dvc_yaml_is_held_against_the_code_and_the_parameters(write_params):
    """This project's own is all right; a key or file that nobody has is named with its line."""
    write_params()
    for name in ("stages", "temper"):
        Path(name).symlink_to(ROOT / name)
    own = (ROOT / "dvc.yaml").read_text()
    assert examine(write_params, own)[0] == []
    wrong = own.replace("- evaluate.positive_label", "- evaluate.positiv_label")
    wrong = wrong.replace("launch/${train.launch}", "launch/${train.lunch}", 1)
    wrong = wrong.replace("- stages/train.py", "- stages/trane.py")
    text = "\n".join(examine(write_params, wrong)[0])
    assert "params.yaml has no train.lunch (did you mean 'train.launch'?)" in text
    assert "no evaluate.positiv_label (did you mean 'evaluate.positive_label'?)" in text
    line = wrong.splitlines().index("      - stages/trane.py") + 1
    assert f"dvc.yaml:{line}: stages/trane.py does not exist (did you mean 'stages/train" in text


def test_a_missing_or_broken_dvc_yaml_is_a_mistake(write_params):
    """One message, and the rest is still checked."""
    assert "dvc.yaml: not YAML" in examine(write_params, "stages: [", train__launch="x")[0][0]
    parameters = write_params()
    Path("dvc.yaml").unlink()
    assert only(check.examine(parameters)[0]).startswith("dvc.yaml: no such file")


def test_a_launch_file_without_processes_is_named(write_params):
    """accelerate would take its own default."""
    write_params()
    Path("launch/odd.yaml").write_text("distributed_type: 'NO'\n")
    found, _ = examine(write_params, train__launch="odd")
    assert only(found) == "launch/odd.yaml: num_processes must be 1 or more, got None"


def test_a_wrong_schema_is_reported_with_the_pipelines_mistakes(write_params):
    """What can be checked without parameters comes along."""
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


def test_the_message_counts_and_nothing_is_written(write_params, capsys):
    """Exit by InputError where something is wrong, a table where nothing is."""
    examine(write_params)
    before = artifacts.sha256_tree(Path())
    check.check()
    assert "no mistakes found" in capsys.readouterr().out
    assert artifacts.sha256_tree(Path()) == before
    examine(write_params, train__launch="x", tokenize__max_length=99)
    with pytest.raises(InputError, match=re.escape("2 mistakes; nothing was run\n  params.yaml:")):
        check.check()


def test_help_is_there_at_once():
    """Every command is listed, and no heavy library is imported for it."""
    code = (
        "import sys; from typer.testing import CliRunner; from temper.cli import main; "
        "print(CliRunner().invoke(main.app, ['--help']).output, *sys.modules)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"check", "summary", "predict", "push"} <= set(out)
    assert not {"torch", "transformers", "datasets", "pyarrow", "mlflow", "sklearn"} & set(out)


def test_a_mistake_ends_the_command_with_status_1(write_params, monkeypatch, capsys):
    """One message on stderr, no traceback; with TEMPER_DEBUG=1 the error itself."""
    examine(write_params, train__launch="x")
    monkeypatch.setattr(sys, "argv", ["temper", "check"])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("error: 1 mistake; nothing was run\n  params.yaml:")
    monkeypatch.setenv("TEMPER_DEBUG", "1")
    with pytest.raises(InputError):
        main.main()


def test_a_hub_source_is_left_to_the_download(write_params):
    """Nothing is read from the network."""
    hub = {"name": "a/b", "config": None, "revision": None, "splits": {}}
    changes = {"data__source": "hub", "data__hub": hub, "data__files": {}}
    found, facts = examine(write_params, **changes, model__name="c/d", model__files={})
    assert found == []
    assert facts["data"] == "a/b on the Hub; checked when it is downloaded"
    assert facts["model"] == "c/d on the Hub; checked when it is downloaded"


def test_the_sample_is_all_right(monkeypatch):
    """As committed."""
    monkeypatch.chdir(ROOT)
    assert check.examine(params.load())[0] == []
