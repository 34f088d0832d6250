"""The real commands on a copy of the repository: dvc repro, kills, two processes, experiments."""

import os
import shutil
import subprocess

import numpy as np
import pytest
import yaml

from temper.training import distributed
from tests.helpers.repository import clone, hashes, ran, run, set_params, tracked

pytestmark = pytest.mark.slow


def test_second_repro_runs_nothing(origin):
    """All stages are skipped, and one FINISHED MLflow run has all of them."""
    assert ran(run(origin, "dvc repro")) == []
    (found,) = tracked(origin).search_runs(["1"])
    assert found.info.status == "FINISHED"
    assert "| test | this model | " in found.data.tags["mlflow.note.content"]
    for stage in ("train", "evaluate", "export"):
        assert found.data.tags[f"stage.{stage}"] == "FINISHED"
    assert len(found.data.tags["mlflow.source.git.commit"]) == 40
    names = ("train_time_s", "samples_per_s", "peak_memory_gib", "model_int8_latency_ms")
    for name in (*names, "padding_share"):
        assert found.data.metrics[f"system/{name}"] > 0
    assert {i.tags[0].value for i in found.inputs.dataset_inputs} == {"train", "validation", "test"}


def offline():
    """Return the command that takes the network away, where this machine can."""
    command = ["unshare", "-rn"]
    able = shutil.which("unshare") and not subprocess.run([*command, "true"]).returncode
    return " ".join(command) if able else ""


def test_another_clone_with_another_environment_has_the_same_lock(origin, tmp_path):
    """Its path, hash seed, locale, time zone, file times and cores differ; it has no network."""
    folder = clone(origin, tmp_path / "a" / "deeper" / "clone")
    for path in folder.rglob("*"):
        if path.is_file() and ".git" not in path.parts:
            os.utime(path, (1_000_000_000, 1_000_000_000))
    before = hashes(folder)
    variables = {"PYTHONHASHSEED": "77", "TZ": "Asia/Tokyo", "LC_ALL": "C", "OMP_NUM_THREADS": "1"}
    variables["TEMPER_TRACKING"] = "off"
    core = min(os.sched_getaffinity(0))  # a container may not have the first
    run(folder, f"taskset -c {core} {offline()} dvc repro --force --no-run-cache", **variables)
    assert hashes(folder) == before


def test_experiment_runs_train_and_what_follows(origin, tmp_path):
    """Nothing is tokenized again, and TEMPER_LOG_EVERY thins what MLflow gets."""
    folder = clone(origin, tmp_path / "clone", cache=True)
    interval = {"TEMPER_LOG_EVERY": "5"}
    done = run(folder, "dvc exp run -S train.learning_rate=5e-4 --name other train", **interval)
    assert ran(done) == ["train"]
    assert ran(run(folder, "dvc repro --dry")) == ["evaluate", "export"]
    assert "other" in run(folder, "dvc exp show --csv").stdout
    client = tracked(folder)
    (found,) = client.search_runs(["1"], "tags.`dvc.exp_name` = 'other'")
    steps = [row.step for row in client.get_metric_history(found.info.run_id, "train/loss")]
    assert steps == [5, 10]


def test_several_processes_equal_one(origin, tmp_path):
    """With uneven rows four give the same weights and score each validation row once.

    So do two sharded ones, which also resume to the same bytes.
    """
    from safetensors.numpy import load_file

    folder = clone(origin, tmp_path / "clone", cache=True)

    def weights():
        tensors = load_file(folder / "data/model/model.safetensors")
        return np.concatenate([tensors[name].ravel() for name in sorted(tensors)])

    lines = (folder / "tests/data/train.csv").read_text().splitlines(keepends=True)
    (folder / "tests/data/train.csv").write_text("".join(lines[:-5]))
    lines = (folder / "tests/data/validation.csv").read_text().splitlines(keepends=True)
    (folder / "tests/data/validation.csv").write_text("".join(lines[:-1]))
    set_params(folder, train__keep_checkpoints="last", train__metric_for_best_model="loss")
    run(folder, "dvc repro train", TEMPER_TRACKING="off")
    one = weights()
    history = (folder / "data/history/validation.csv").read_text().splitlines()
    losses = [float(line.split(",")[2]) for line in history[-2:]]
    four = (folder / "launch/cpu_2.yaml").read_text().replace("processes: 2", "processes: 4")
    (folder / "launch/cpu_4.yaml").write_text(four)
    for launch, engine in (("cpu_4", "trainer"), ("fsdp", "loop")):
        set_params(folder, train__launch=launch, train__engine=engine)
        run(folder, "dvc repro train", TEMPER_TRACKING="off")
        assert np.linalg.norm(weights() - one) / np.linalg.norm(one) <= 1e-4
        other = (folder / "data/history/validation.csv").read_text().splitlines()
        assert [float(line.split(",")[2]) for line in other[-2:]] == pytest.approx(losses, rel=1e-4)
    before = hashes(folder)
    for name in ("checkpoint-12", "last"):
        found = folder.glob(f"checkpoints/*/{name}")
        shutil.rmtree(max(found, key=lambda path: path.stat().st_mtime))
    done = run(folder, "dvc repro --force --single-item train", TEMPER_TRACKING="off")
    assert done.stderr.count("resuming from step 9") == 1
    assert hashes(folder) == before


def test_a_mistake_is_one_message_without_a_traceback(origin, tmp_path):
    """It is the same from `temper check` and from the stage."""
    folder = clone(origin, tmp_path / "clone")
    set_params(folder, train__precision="fp8")
    for command in ("temper check", "dvc repro"):
        done = run(folder, command, check=False)
        assert done.returncode != 0
        assert "train.precision" in done.stderr
        assert "Traceback" not in done.stderr


def test_diverging_training_is_one_message(origin, tmp_path):
    """Neither launcher nor DVC adds a traceback, and the run is FAILED with the reason."""
    folder = clone(origin, tmp_path / "clone", cache=True)
    set_params(folder, train__learning_rate=1e30, train__max_grad_norm=0.0)
    done = run(folder, "dvc repro train", check=False)
    assert done.returncode != 0
    assert "error: the loss of step" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    (found,) = tracked(folder).search_runs(["1"])
    assert found.info.status == "FAILED"
    assert found.data.tags["reason"].startswith("the loss of step")


def test_edited_data_file_reruns_and_removed_split_is_forgotten(origin, tmp_path):
    """DVC watches the data files; a split that is cut from train replaces its file."""
    folder = clone(origin, tmp_path / "clone", cache=True)
    with (folder / "tests/data/test.csv").open("a") as file:
        file.write("He opened two boxes.,He closed two boxes.,not_equivalent\n")
    assert ran(run(folder, "dvc repro download@dataset")) == ["data_files@test", "download@dataset"]
    tree = yaml.safe_load((folder / "params.yaml").read_text())
    del tree["data"]["files"]["test"]
    (folder / "params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    run(folder, "dvc repro download@dataset")
    assert not (folder / "data/files/dataset/test.json").exists()
    assert (folder / "data/raw/test").is_dir()


def test_single_launch_sees_one_gpu(monkeypatch):
    """`single` narrows the visible GPUs of a machine that has several."""

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")
    monkeypatch.setenv("WORLD_SIZE", "1")
    distributed.restrict_visible_gpus("single")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    distributed.restrict_visible_gpus("multi_gpu")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1"
    distributed.restrict_visible_gpus("cpu_2")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
