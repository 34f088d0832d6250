"""Killed at any moment and started again, the pipeline ends with the same bytes."""

import os
import random
import shutil
import signal
import subprocess

import pytest

from temper.core import artifacts
from tests.helpers.hosts import two_hosts
from tests.helpers.processes import (
    kill_once,
    killed_at,
    processes_in,
    start,
    wait_for_none,
    wait_for_path,
)
from tests.helpers.repository import clone, commit, hashes, ran, run, set_params, variables
from tests.helpers.waiting import LIMIT_S, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("untracked")]
SEEDED = random.Random(3)
# Accumulation, dropout, early stopping and the best of several evaluations are all in play.
CHANGES = {
    "train__per_device_batch_size": 4,
    "train__evaluate_every": 2,
    "train__save_every": 3,
    "train__epochs": 4,
    "train__early_stopping": {"patience": 5, "min_delta": 0.0},
    "model__config": {"hidden_dropout_prob": 0.1},
}
MOMENTS = [  # in the order of the pipeline; `seen` and `wait_s`: so long after a path is there
    {"process": "stages.hash_inputs", "event": "open", "path": r"data/files/dataset/test\.json$"},
    {"process": "stages.download dataset", "event": "open", "path": r"\.raw\.partial/.*json$"},
    {"process": "stages.download model", "event": "open", "path": r"\.base\.partial/"},
    {"process": "stages.tokenize", "event": "open", "path": r"\.tokenized\.partial/.*state"},
    {"process": "stages.train", "event": "open", "path": r"partial/best-\d+/"},
    {"process": "stages.train", "event": "open", "path": r"partial/checkpoint-3/"},
    {"process": "stages.train", "seen": "checkpoint-3", "wait_s": SEEDED.uniform(0, 0.2)},
    {"process": "stages.train", "event": "shutil.copyfile", "path": r"best-\d+/model\.safe"},
    {"process": "stages.train", "event": "os.rename", "path": r"\.history\.partial"},
    {"process": "dvc", "event": "open", "path": r"dvc\.lock", "exists": "data/history"},
    {"process": "stages.evaluate", "event": "open", "path": r"predictions/test\.csv"},
    {"process": "stages.export", "event": "os.rename", "path": r"\.export\.partial"},
]


@pytest.fixture(scope="module")
def quiet(origin, made_once):
    """A clone with this module's parameters, and its run that nothing disturbed."""

    def make(folder):
        clone(origin, folder, cache=True)
        set_params(folder, **CHANGES)
        run(folder, "dvc repro")
        commit(folder, "quiet")

    return made_once("quiet", make)


def test_killed_at_any_moment_it_ends_with_the_same_bytes(quiet, tmp_path):
    """It is killed in each stage, in a checkpoint, in data/model and before DVC writes its lock."""
    folder = clone(quiet, tmp_path / "clone")
    (folder / "dvc.lock").unlink()
    for moment in MOMENTS:
        killed_at(folder, moment)
    assert len({moment["process"].split()[0] for moment in MOMENTS}) == 7
    done = run(folder, "dvc repro --no-run-cache")
    assert ran(done) == ["export"]
    assert hashes(folder) == hashes(quiet)
    assert early_stopped(folder)


def early_stopped(folder):
    rows = (folder / "data/history/train.csv").read_text().splitlines()
    return len(rows) - 1 < 4 * 6


@pytest.fixture(scope="module")
def two_processes(quiet, made_once):
    """A clone whose two processes trained undisturbed."""

    def make(folder):
        clone(quiet, folder, cache=True)
        set_params(folder, train__launch="cpu_2", train__engine="loop")
        run(folder, "dvc repro --no-run-cache train")
        shutil.rmtree(folder / "checkpoints")

    return made_once("two_processes", make)


@pytest.fixture
def hosts():
    """Two hosts with addresses of their own."""
    with two_hosts() as made:
        yield made


@pytest.mark.parametrize(("launch", "engine"), [("cpu_2", "loop"), ("fsdp", "trainer")])
def test_two_processes_leave_no_orphan_and_resume(quiet, two_processes, tmp_path, launch, engine):
    """Without their launcher the workers, in sessions of their own, checkpoint and end."""
    folder = clone(quiet, tmp_path / "clone", cache=True)
    set_params(folder, train__launch=launch, train__engine=engine)
    if launch == "cpu_2":
        expected = hashes(two_processes)
    else:
        run(folder, "dvc repro --no-run-cache train")
        expected = hashes(folder)
        shutil.rmtree(folder / "checkpoints")
    child = start(folder, "dvc repro --no-run-cache --force --single-item train")
    kill_once(folder, "checkpoints/*/checkpoint-9", child)
    wait_for_none(folder)
    done = run(folder, "dvc repro --no-run-cache --force --single-item train")
    assert "resuming from step" in done.stderr + done.stdout
    assert hashes(folder) == expected


def test_machine_that_dies_ends_the_other_and_both_resume(quiet, two_processes, hosts, tmp_path):
    """With the bytes of one machine; the other ends in mid-step, with one line that says why."""
    folder = clone(quiet, tmp_path / "clone", cache=True)
    set_params(folder, train__launch="multi_node", train__engine="loop")
    file = folder / "launch/multi_node.yaml"
    file.write_text(file.read_text().replace("127.0.0.1", hosts.address))
    worker = "python -m temper.training.launcher launch/multi_node.yaml --machine_rank 1 "
    worker += "-m stages.train data/tokenized data/base data/model data/checkpoints data/history"
    for name in ("model", "checkpoints", "history"):
        shutil.rmtree(folder / "data" / name)

    def start_both():
        main = "dvc repro --no-run-cache --force --single-item train"
        return hosts.start(0, folder, main), hosts.start(1, folder, worker)

    first, second = start_both()
    wait_for_path(folder, "checkpoints/*/checkpoint-9", first)
    hosts.kill(1)
    out, _ = first.communicate(timeout=LIMIT_S)
    assert first.returncode != 0
    assert out.count("error: communication with another process of this training failed: ") == 1
    assert "Traceback" not in out
    second.communicate()
    for machine in start_both():
        out, _ = machine.communicate(timeout=LIMIT_S)
        assert machine.returncode == 0, out[-3000:]
        assert "resuming from step" in out
    assert hashes(folder) == hashes(two_processes)


def test_experiment_in_a_temporary_workspace_resumes(quiet, tmp_path):
    """DVC deletes the workspace; the checkpoints are in the repository."""
    folder = clone(quiet, tmp_path / "clone", cache=True)
    command = "dvc exp run --temp --name other -S train.learning_rate=5e-4 train"
    kill_once(folder, "checkpoints/*/checkpoint-6", start(folder, command))
    done = run(folder, command)
    assert "resuming from step" in done.stderr + done.stdout
    run(folder, "dvc exp apply other")
    found = hashes(folder)
    other = clone(quiet, tmp_path / "other", cache=True)
    run(other, "dvc exp run -S train.learning_rate=5e-4 train")
    assert found == hashes(other)
    assert found != hashes(quiet)


def test_stopped_training_saves_a_checkpoint_and_never_succeeds(quiet, tmp_path):
    """A pre-empted worker, Ctrl-C and a killed DVC leave no unfinished model and no process.

    The training is long, so that it does not end before the signal reaches it. The shell is sh,
    which outlives DVC where it does not exec its command.
    """
    folder = clone(quiet, tmp_path / "clone", cache=True)
    set_params(
        folder, train__epochs=60, train__early_stopping={"patience": 0}, train__evaluate_every=60
    )
    run(folder, "dvc repro --no-run-cache train")
    expected = hashes(folder)
    shutil.rmtree(folder / "checkpoints")
    for stop in (terminate_worker, interrupt_group, kill_dvc):
        step = newest_step(folder)
        command = "dvc repro --no-run-cache --force --single-item train"
        child = start(folder, command, SHELL="/bin/sh")
        wait_until(lambda step=step: newest_step(folder) > step, lambda child=child: runs(child))
        stop(folder, child)
        assert child.wait(timeout=LIMIT_S) != 0
        wait_for_none(folder)
        assert not (folder / "data/model").exists()
    run(folder, "dvc repro --no-run-cache --force --single-item train")
    assert hashes(folder) == expected


def terminate_worker(folder, child):
    (worker,) = [p for p in processes_in(folder) if p.cmdline()[1:3] == ["-m", "stages.train"]]
    worker.terminate()


def interrupt_group(folder, child):
    os.killpg(child.pid, signal.SIGINT)


def kill_dvc(folder, child):
    child.kill()


def newest_step(folder):
    """Return the step of the last checkpoint."""
    paths = folder.glob("checkpoints/*/checkpoint-*")
    return max((int(path.name.split("-")[1]) for path in paths), default=0)


def runs(child):
    assert child.poll() is None


def test_two_workers_with_one_fingerprint_do_not_collide(quiet, tmp_path):
    """One trains, the other waits and takes the finished checkpoint."""
    folders = [clone(quiet, tmp_path / name, cache=True) for name in "ab"]
    command = (
        "python -m temper.training.launcher launch/single.yaml -m stages.train data/tokenized "
        "data/base data/model data/checkpoints data/history"
    )
    for folder in folders:
        for name in ("model", "checkpoints", "history"):
            shutil.rmtree(folder / "data" / name)
    shared = {"DVC_ROOT": str(tmp_path)}
    workers = [
        subprocess.Popen(
            command.split(),
            cwd=folder,
            env=variables(folder, **shared),
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for folder in folders
    ]
    said = [worker.communicate(timeout=LIMIT_S) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], said
    assert sum("waiting: another process runs the same training" in err for _, err in said) == 1
    for folder in folders:
        for name in ("model", "checkpoints", "history"):
            expected = artifacts.sha256_tree(quiet / "data" / name)
            assert artifacts.sha256_tree(folder / "data" / name) == expected
