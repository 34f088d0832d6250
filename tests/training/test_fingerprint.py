"""What the fingerprint of a training covers, and what is said of an unfinished one like it."""

import re
import shutil
from pathlib import Path

import pytest

from temper.core import artifacts
from temper.training import fingerprint
from tests.helpers.training import BASE
from tests.helpers.workspace import ROOT

TRAIN = {"launch": "single", "learning_rate": 0.1}


@pytest.mark.slow
def test_fingerprint_covers_what_determines_the_result(prepare, monkeypatch):
    """A parameter, a row, a line of code or a version changes it; display and tracking do not."""
    parameters = prepare()
    for name in ("dvc.yaml", "stages", "temper"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, name)

    def digest(given=parameters, world_size=1):
        folders = [Path("data/tokenized"), BASE]
        launch = Path("launch/single.yaml")
        return fingerprint.digest(fingerprint.record(given, folders, launch, world_size))

    def edited(path, text="\n# edited\n"):
        before = Path(path).read_text()
        Path(path).write_text(before + text)
        after = digest()
        Path(path).write_text(before)
        return after

    first = digest()
    monkeypatch.setenv("TEMPER_LOG_EVERY", "50")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    shown = parameters.evaluate.model_copy(update={"num_worst_examples": 1})
    same = [digest(parameters.model_copy(update={"evaluate": shown}))]
    same += [edited(f"temper/{name}.py") for name in ("tracking/store", "training/console")]
    same += [edited(path) for path in ("stages/evaluate.py", "temper/export/card.py")]
    assert set(same) == {first}
    faster = parameters.train.model_copy(update={"learning_rate": 1.0})
    other = [digest(parameters.model_copy(update={"train": faster})), digest(world_size=2)]
    other += [edited(f"temper/{name}.py") for name in ("training/losses", "metrics/classification")]
    other += [edited("temper/tasks/sequence_classification.py"), edited("launch/single.yaml")]
    other += [edited("data/tokenized/report.json"), edited("data/base/weights/config.json")]
    monkeypatch.setattr(fingerprint.determinism, "environment", lambda: {"version.torch": "1"})
    other += [digest()]
    assert len({first, *other}) == 1 + len(other)


def left_at(step, differences=None):
    """Leave a checkpoint of a training whose record differs in these sections."""
    record = dict.fromkeys(fingerprint.SAME_TRAINING, "same") | {
        "params": {"seed": 1, "train": TRAIN},
        "code": {"temper/a.py": "1", "temper/b.py": "2"},
        "environment": {"version.torch": "2.13.0"},
        "launch": "3",
        "world_size": 1,
    }
    record |= differences or {}
    folder = Path("checkpoints", fingerprint.digest(record)[:16])
    (folder / f"checkpoint-{step}").mkdir(parents=True)
    artifacts.write_json(folder / fingerprint.FILE, record)
    return record, folder


@pytest.mark.parametrize(
    ("differences", "line"),
    [
        (
            {
                "world_size": 2,
                "launch": "4",
                "params": {"seed": 1, "train": TRAIN | {"launch": "cpu_2"}},
            },
            r"was left at step 7 by a training of the same parameters and data with 2 processes "
            r"\(now 1\): its bytes would differ, so this one starts anew",
        ),
        ({"launch": "4"}, "with another launch file:"),
        ({"environment": {"version.torch": "2.12.0"}}, r"with torch 2.12.0 \(now 2.13.0\):"),
        ({"code": {"temper/a.py": "1", "temper/b.py": "3"}}, r"with other code \(temper/b.py\):"),
    ],
)
def test_unfinished_training_of_another_kind_is_named(differences, line, tmp_path, monkeypatch):
    """The one that came furthest; with checkpoints of its own a training resumes from them."""
    monkeypatch.chdir(tmp_path)
    record, folder = left_at(3)
    left_at(5, {"code": {}})
    _, other = left_at(7, differences)
    assert fingerprint.keep(record, folder) is None
    shutil.rmtree(folder / "checkpoint-3")
    assert re.search(line, fingerprint.keep(record, folder) or "")
    (other / "last").mkdir()  # finished
    assert "step 5" in (fingerprint.keep(record, folder) or "")


@pytest.mark.parametrize(
    "differences",
    [
        {"inputs": "other"},
        {"params": {"seed": 1, "train": TRAIN | {"learning_rate": 0.2}}},
        {"params": {"seed": 2, "train": TRAIN}},
    ],
)
def test_another_training_is_not_named(differences, tmp_path, monkeypatch):
    """Other parameters or data are another experiment."""
    monkeypatch.chdir(tmp_path)
    left_at(5, differences)
    record, folder = left_at(3)
    shutil.rmtree(folder / "checkpoint-3")
    assert fingerprint.keep(record, folder) is None


@pytest.mark.parametrize("text", ["", "{", "null", "{}", "[]", '{"environment": null}', None])
def test_a_broken_record_of_another_training_stops_none(text, tmp_path, monkeypatch):
    """It is passed over, and the next is named."""
    monkeypatch.chdir(tmp_path)
    left_at(5, {"launch": "4"})
    record, folder = left_at(3)
    _, broken = left_at(7, {"code": {}})
    (broken / fingerprint.FILE).unlink()
    if text is None:
        (broken / fingerprint.FILE).mkdir()
    else:
        (broken / fingerprint.FILE).write_text(text)
    shutil.rmtree(folder / "checkpoint-3")
    assert "left at step 5" in (fingerprint.keep(record, folder) or "")
