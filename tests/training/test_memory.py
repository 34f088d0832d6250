"""A batch that does not fit is halved, and training restarts."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from temper.core.errors import InputError
from temper.training import checkpoint, memory
from temper.training.session import TrainingSession
from tests.helpers.training import assert_same, fit
from tests.helpers.workspace import ROOT, environment


@pytest.mark.slow
def test_halves_a_batch_by_tokens_that_does_not_fit(prepare, monkeypatch, capsys):
    """Weights and history are those of a run that was started with half the tokens."""
    loss = TrainingSession.compute_loss

    def narrow(self, network, micro_batch, *arguments):
        if micro_batch["input_ids"].numel() > 400:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to …")
        return loss(self, network, micro_batch, *arguments)

    changes = {"train__batch_size": None, "train__batch_tokens": 560, "train__epochs": 1.0}
    started = fit(prepare(**changes, train__per_device_batch_size=280), "started")
    monkeypatch.setattr(TrainingSession, "compute_loss", narrow)
    assert_same(fit(prepare(**changes), "halved"), started)
    message = "out of memory at per-device batch size 560; restarting with 280 and 2 accumulation"
    assert message in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["trainer", "loop"])
def test_halves_a_batch_that_does_not_fit(prepare, engine, monkeypatch, capsys):
    """Weights, history and steps are those of a run that was started with half the batch."""
    loss, refused = TrainingSession.compute_loss, []

    def narrow(self, network, micro_batch, *arguments):
        if len(micro_batch["input_ids"]) > 4:
            refused.append(len(micro_batch["input_ids"]))
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to …")
        return loss(self, network, micro_batch, *arguments)

    changes = {"train__engine": engine, "model__config": {"hidden_dropout_prob": 0.1}}
    started = fit(prepare(**changes, train__per_device_batch_size=4), "started")
    monkeypatch.setattr(TrainingSession, "compute_loss", narrow)
    parameters = prepare(**changes)
    halved = fit(parameters, "halved")
    assert refused == [16, 8]
    assert_same(halved, started)
    printed = capsys.readouterr().err
    message = (
        "out of memory at per-device batch size 16; restarting with 8 and 2 accumulation steps"
    )
    assert f"{message} (global batch unchanged: 16)" in printed
    refused.clear()
    for path in checkpoint.numbered_folders(Path("work/halved"), "checkpoint"):
        shutil.rmtree(path)
    assert_same(fit(parameters, "halved"), started)
    assert refused == []  # the fitted size was saved


def test_one_example_that_does_not_fit_ends_the_run(tmp_path, write_params):
    """The message says what to change."""
    p = write_params(train__per_device_batch_size=1).train
    with pytest.raises(InputError, match=r"per-device batch size 1 .no room.: lower tokenize.max"):
        memory.halve_batch_size(tmp_path, p, memory.OutOfMemory("no room"))
    assert memory.with_fitted_batch_size(p, tmp_path) is p


def test_a_rank_alone_says_what_happened_while_another_writes(tmp_path, write_params, monkeypatch):
    """Into the folder of a checkpoint, which then cannot be removed."""
    p = write_params(train__per_device_batch_size=4).train
    (tmp_path / "checkpoint-3").mkdir()

    def refuse(*_, **__):
        raise OSError(errno.ENOTEMPTY, "Directory not empty")

    monkeypatch.setattr(os, "rmdir", refuse)
    failure = memory.OutOfMemory("no room", on_all_ranks=False)
    with pytest.raises(InputError, match="rerun to restart with a smaller batch"):
        memory.halve_batch_size(tmp_path, p, failure)
    assert memory.with_fitted_batch_size(p, tmp_path).per_device_batch_size == 2


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("limited", [False, True])
def test_freed_memory_is_kept_unless_addresses_are_limited(limited):
    """A batch that did not fit must leave room for a smaller one."""
    script = """
import resource, sys
from temper.training import memory
def mapped():
    return int(open("/proc/self/statm").read().split()[0]) * 4096
if sys.argv[1] == "True":
    resource.setrlimit(resource.RLIMIT_AS, (mapped() + 2**31,) * 2)
memory.keep_freed_memory()
before = mapped()
freed = []
for size in [100 * 2**20, 1000] * 4:  # a small piece stays behind each large one
    freed.append(bytearray(size))
del freed[::2]
print(mapped() - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(limited)],
        capture_output=True, text=True, env=environment(PYTHONPATH=str(ROOT)),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (int(done.stdout) < 2**24) is limited


@pytest.mark.slow
def test_halves_the_batch_under_a_real_memory_limit(prepare, tmp_path):
    """Training ends despite a limit of its address space."""
    prepare(train__batch_size=96, train__epochs=1.0, tokenize__padding="max_length",
            train__engine="loop", model__config={"intermediate_size": 32768})  # fmt: skip
    script = """
import json, resource, sys
from pathlib import Path
from stages import train
from temper import params
from temper.core import arrow
import torch, transformers, accelerate
torch.set_num_threads(2)
torch.nn.functional.linear(torch.ones(64, 64), torch.ones(64, 64))
import temper.engines.loop, temper.training.memory
from transformers import BertForSequenceClassification
used = int(open("/proc/self/statm").read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[1]) * 2**20,) * 2)
parameters = params.load()
Path("work/limit").mkdir(parents=True, exist_ok=True)
data = arrow.load(Path("data/tokenized"))
session = train.fine_tune(parameters, data, Path("data/base"), Path("work/limit"), lambda *_: None)
print(json.dumps([session.args.per_device_train_batch_size, len(session.history.train)]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, "2600"],
        capture_output=True, text=True, env=environment(PYTHONPATH=str(ROOT)),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    size, steps = json.loads(done.stdout.splitlines()[-1])
    assert "out of memory at per-device batch size 96" in done.stderr
    assert size < 96
    assert steps == 1
    assert json.loads(Path("work/limit/memory.json").read_text()) == {"per_device_batch_size": size}
