"""Custom code is a dependency, and several processes that run it agree."""

import shutil

import pytest

from tests.helpers.custom_code import CODE
from tests.helpers.repository import clone, hashes, ran, run, set_params

NARROW = (
    CODE
    + '''

import os


def narrow(logits, labels):
    """No room for more than 4 rows, in one of two processes."""
    if len(labels) > 4 and os.environ["RANK"] == "1":
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
    return loss(logits, labels)
'''
)
EDITOR = """
from pathlib import Path

from transformers import TrainerCallback


class Editor(TrainerCallback):
    def on_train_begin(self, args, state, control, **kwargs):
        file = Path("params.yaml")
        file.write_text(file.read_text().replace("seed: 77", "seed: 78"))
"""
LATER = (
    NARROW
    + '''

calls = []


def later(logits, labels):
    """No room in one of two processes, some steps on."""
    calls.append(len(labels))
    if len(labels) > 4 and len(calls) > 5 and os.environ["RANK"] == "1":
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
    return loss(logits, labels)
'''
)


@pytest.mark.slow
@pytest.mark.usefixtures("untracked")
def test_edited_custom_code_reruns_its_stages(origin, tmp_path):
    """DVC trains again without fetching data and model again."""
    folder = clone(origin, tmp_path / "clone", cache=True)
    (folder / "mine.py").write_text(CODE)
    set_params(folder, code={"mine": "mine.py"}, train__loss="mine.loss", train__epochs=1.0)
    run(folder, "dvc repro train")
    before = (folder / "data/history/train.csv").read_text()
    (folder / "mine.py").write_text(CODE.replace("2 * torch", "3 * torch"))
    again = ran(run(folder, "dvc repro train"))
    assert [name for name in again if not name.startswith("code_files")] == ["tokenize", "train"]
    assert (folder / "data/history/train.csv").read_text() != before


@pytest.mark.slow
@pytest.mark.usefixtures("untracked")
def test_parameters_edited_in_training_are_not_recorded(origin, tmp_path):
    """DVC reads them once train has ended; put back, the finished training is taken."""
    folder = clone(origin, tmp_path / "clone", cache=True)
    (folder / "mine.py").write_text(EDITOR)
    set_params(folder, code={"mine": "mine.py"}, train__callbacks=["mine.Editor"], seed=77)
    done = run(folder, "dvc repro train", check=False)
    assert done.returncode != 0
    assert "error: edited while train ran: params.yaml: seed (77, now 78);" in done.stderr
    set_params(folder, seed=77)
    assert "resuming from step 12" in run(folder, "dvc repro train").stderr


@pytest.mark.slow
@pytest.mark.usefixtures("untracked")
def test_rank_out_of_memory_alone_records_it(origin, tmp_path):
    """The run ends while other ranks are in mid-step; restarted, it takes the smaller batch."""
    folder = clone(origin, tmp_path / "clone", cache=True)
    (folder / "mine.py").write_text(LATER)
    changes = {"code": {"mine": "mine.py"}, "train__launch": "cpu_2", "train__save_every": 3}
    set_params(folder, **changes, train__loss="mine.later")
    done = run(folder, "dvc repro train", check=False)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "out of memory at per-device batch size 8; restarting with 4" in said, said[-3000:]
    assert "rerun to restart with a smaller batch" in said
    run(folder, "dvc repro train")
    assert (folder / "data/history/train.csv").read_text().count("\n") == 1 + 12


@pytest.mark.slow
@pytest.mark.usefixtures("untracked")
def test_all_ranks_agree_on_a_smaller_batch(origin, tmp_path):
    """The bytes are those of a run that started with it, also when resumed."""
    folder = clone(origin, tmp_path / "clone", cache=True)
    (folder / "mine.py").write_text(NARROW)
    changes = {"code": {"mine": "mine.py"}, "train__launch": "cpu_2", "train__save_every": 3}
    set_params(folder, **changes, train__loss="mine.narrow", train__per_device_batch_size=4)
    run(folder, "dvc repro train")
    expected = hashes(folder)["data/model"]
    set_params(folder, train__per_device_batch_size=None)
    done = run(folder, "dvc repro train")
    said = done.stdout + done.stderr
    message = "out of memory at per-device batch size 8; restarting with 4 and 2 accumulation steps"
    assert message in said
    assert hashes(folder)["data/model"] == expected
    newest = max(folder.glob("checkpoints/*/memory.json")).parent
    for path in sorted(newest.glob("checkpoint-*"))[1:]:
        shutil.rmtree(path)
    again = run(folder, "dvc repro --no-run-cache --force --single-item train")
    assert "resuming from step" in again.stdout + again.stderr
    assert "out of memory" not in again.stdout + again.stderr
    assert hashes(folder)["data/model"] == expected
