"""Small repositories whose training is a stub, and sweeps in them."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from tests.helpers.repository import run, start_repository
from tests.helpers.waiting import LIMIT_S, wait_until
from tests.helpers.workspace import ROOT, environment

TRAIN = """
import json, math, os, signal, sys, time
from pathlib import Path
import yaml
p = yaml.safe_load(Path("params.yaml").read_text())
name, train = os.environ.get("DVC_EXP_NAME", "plain"), p["train"]
SLEEP_S = float(os.environ.get("STUB_SLEEP", "0"))
note = open(os.environ["STUB_LOG"], "a")
def say(what):
    note.write(f"{what} {name}\\n")
    note.flush()
def stop(*_):
    say("stopped")
    sys.exit(143)
signal.signal(signal.SIGTERM, stop)
say("train")
while not all(map(os.path.exists, os.environ.get("STUB_PEERS", "").splitlines())):
    time.sleep(0.01)
if train["batch_size"] == 7:
    print("error: seven rows are too few", file=sys.stderr)
    sys.exit(1)
score = 0.9 - (math.log10(float(train["learning_rate"])) + 3.5) ** 2 / 10
score -= train["weight_decay"] / 9
score += (p["seed"] % 5) / 100 + (0.01 if train["lr_scheduler_type"] == "cosine" else 0)
root = Path(os.environ["DVC_ROOT"])
(root / "tracking").mkdir(exist_ok=True)
journal = root / "tracking" / f"1-train-x-{os.getpid()}.jsonl"
fingerprint = "f" * 15 + str(p["train"]["batch_size"])
tags = {"dvc.exp_name": name, "fingerprint": fingerprint}
(root / "checkpoints" / fingerprint[:16]).mkdir(parents=True, exist_ok=True)
with journal.open("w") as file:
    print(json.dumps({"kind": "open", "tags": tags}), file=file, flush=True)
    rows = ["step,epoch,loss,accuracy"]
    for i in (1, 2, 3):
        found = score - abs(2 - i) / 10  # the second evaluation is the best
        rows.append(f"{10 * i},{i},{1 - found},{found}")
        line = {"kind": "metrics", "step": 10 * i, "metrics": {"validation/accuracy": found}}
        print(json.dumps(line), file=file, flush=True)
        time.sleep(600 if os.environ.get("STUB_HANGS") == name else SLEEP_S)
journal.unlink()
for folder in ("model", "history"):
    Path("data", folder).mkdir(parents=True)
Path("data/model/weights").write_text(str(score))
Path("data/history/validation.csv").write_text("\\n".join(rows) + "\\n")
say("trained")
"""
TOKENIZE = """
import os
from pathlib import Path
with open(os.environ["STUB_LOG"], "a") as note:
    print("tokenize", os.environ.get("DVC_EXP_NAME", "plain"), file=note)
Path("data/tokenized").mkdir(parents=True)
Path("data/tokenized/ids").write_text("1 2 3")
"""
PIPELINE = """
stages:
  tokenize:
    cmd: python tokens.py
    deps: [tokens.py]
    params: [tokenize]
    outs: [data/tokenized]
  train:
    cmd: python training.py
    deps: [training.py, data/tokenized]
    params: [seed, train]
    outs: [data/model, data/history]
  evaluate:
    cmd: python -c "raise SystemExit('no trial comes here')"
    deps: [data/model]
    outs: [data/evaluation]
"""
PLAN = {
    "name": "s",
    "method": "random",
    "objective": "validation.accuracy",
    "parameters": {
        "train.learning_rate": {"low": 1e-5, "high": 1e-2, "log": True},
        "train.weight_decay": {"low": 0.0, "high": 0.3},
    },
    "budget": {"trials": 3},
    "seed": 1,
}


def make(folder: Path) -> Path:
    """Make a repository whose stages are stubs; what they do is told in `<folder>.log`."""
    folder.mkdir()
    (folder / "training.py").write_text(TRAIN)
    (folder / "tokens.py").write_text(TOKENIZE)
    (folder / "dvc.yaml").write_text(PIPELINE)
    shutil.copy(ROOT / "tests/params.yaml", folder / "params.yaml")
    for name in (".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("train", "validation", "test"):
        (folder / "tests/data").mkdir(parents=True, exist_ok=True)
        (folder / f"tests/data/{name}.csv").write_text("sentence1,sentence2,label\n")
    shutil.copytree(ROOT / "data/sample/model", folder / "data/sample/model")
    with (folder / ".gitignore").open("a") as file:
        file.write("/data/*\n!/data/sample\n")
    start_repository(folder)
    return folder


def write(folder: Path, **changes) -> None:
    """Write sweep.yaml; None leaves a key out."""
    plan = {key: value for key, value in (PLAN | changes).items() if value is not None}
    (folder / "sweep.yaml").write_text(yaml.safe_dump(plan, sort_keys=False))


def variables(folder: Path, **more: str) -> dict[str, str]:
    names = {"PYTHONPATH": str(ROOT), "TEMPER_TRACKING": "off", "COLUMNS": "200"}
    return environment(**names | {"STUB_LOG": str(log(folder))} | more)


def log(folder: Path) -> Path:
    return folder.with_suffix(".log")


def said(folder: Path) -> list[str]:
    """Return what the stubs told."""
    return log(folder).read_text().splitlines() if log(folder).exists() else []


def start(folder: Path, *options: str, **more: str) -> subprocess.Popen:
    """Start `temper sweep` in a process group of its own."""
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("temper")), "sweep", *options],
        cwd=folder,
        env=variables(folder, **more),
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def sweep(folder: Path, *options: str, status: int = 0, **more: str) -> str:
    """Run `temper sweep` to its end; return what it prints."""
    child = start(folder, *options, **more)
    text, _ = child.communicate(timeout=LIMIT_S)
    assert child.returncode == status, text
    return text


def outputs(children: Sequence[subprocess.Popen]) -> list[str]:
    """Return what sweeps print that run side by side; fail as soon as one of them does."""

    def check() -> None:
        for child in children:
            assert not child.poll(), child.communicate()[0]

    wait_until(lambda: all(child.poll() is not None for child in children), check)
    check()
    return [child.communicate()[0] for child in children]


def kill(child: subprocess.Popen) -> None:
    """Kill the group of a sweep that has not ended."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


def kill_when(folder: Path, child: subprocess.Popen, lines: int) -> None:
    """Kill the group of a sweep once the stubs have told so many lines."""
    wait_until(lambda: len(said(folder)) >= lines, lambda: check_runs(child))
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()


def wait_for(folder: Path, child: subprocess.Popen, line: str, times: int = 1) -> None:
    """Wait until the stubs have told a line so often."""
    wait_until(lambda: said(folder).count(line) >= times, lambda: check_runs(child))


def check_runs(child: subprocess.Popen) -> None:
    assert child.poll() is None, child.communicate()[0]


def trials(folder: Path, name: str = "s", storage: str | None = None) -> list:
    """Return Optuna's trials, the failed ones too."""
    import optuna

    url = storage or f"sqlite:///{folder}/sweeps/{name}/trials.db"
    return optuna.load_study(study_name=name, storage=url).trials


def forget_heartbeats(url: str) -> None:
    """Make the last signs of life of all trials in a database as old as those of dead machines."""
    import sqlalchemy

    with sqlalchemy.create_engine(url).begin() as connection:
        old = sqlalchemy.text("UPDATE trial_heartbeats SET heartbeat = '2000-01-01 00:00:00'")
        assert connection.execute(old).rowcount


def experiments(folder: Path) -> list[str]:
    refs = run(folder, "git for-each-ref --format=%(refname) refs/exps").stdout.split()
    return sorted(ref.rsplit("/", 1)[1] for ref in refs)
