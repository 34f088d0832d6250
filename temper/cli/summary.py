"""Summarise a finished run: scores beside baselines, the model, the lock file, next commands.

`temper summary`
"""

import os
import shlex
from pathlib import Path

from rich.console import Console

from temper import params, repo
from temper.core import artifacts
from temper.core.errors import InputError
from temper.evaluation import report
from temper.prediction.predictor import why_no_graph

METRICS, REPORT = Path("data/evaluation/metrics.json"), Path("data/evaluation/report.html")
EXPORT, STORE = Path("data/export"), Path("mlflow.db")
WEIGHTS = Path("data/model")
COMMITTED = (params.PARAMS_FILE.as_posix(), repo.LOCK.as_posix())


def summary() -> None:
    """Show the scores, the model, whether dvc.lock was reproduced, and next commands."""
    for path in (METRICS, REPORT, EXPORT / "config.json", repo.LOCK):
        if not path.exists():
            raise InputError(f"{path} does not exist; run dvc repro")
    parameters, console = params.load(), Console(highlight=False, soft_wrap=True)
    metrics = artifacts.read_json(METRICS)
    report.print_summary(metrics, parameters.task.metrics)
    for name, value in metrics["gap"].items():
        if name.endswith("_gap"):
            console.print(f"overfitting (train minus validation), {name[:-4]}: {value:+.3f}")
    console.print(f"\nmodel      {EXPORT} ({sizes(EXPORT)})")
    for engine, name in (("onnx", "ONNX"), ("int8", "int8 ONNX")):
        if (reason := why_no_graph(EXPORT, engine)) is not None:
            console.print(f"           no {name}: {reason}", markup=False)
            break
    console.print(f"report     {REPORT}")
    console.print(f"lock file  {repo.lock_verdict()}")
    console.print(f"runs       {tracking_command()}")
    commands = next_commands(parameters)
    width = max(len(command) for command, effect in commands if effect) + 3
    for i, (command, effect) in enumerate(commands):
        console.print(f"{'' if i else 'next':10} {command:{width}}{effect}".rstrip())


def next_commands(parameters: params.Params) -> list[tuple[str, str]]:
    """Return commands that work in this state of the repository, in order, and what for."""
    learning_rate = f"{2 * parameters.train.learning_rate:g}"
    compare = [
        (f"dvc exp run -S train.learning_rate={learning_rate}", "then"),
        ("temper compare HEAD workspace", "is it significantly better?"),
    ]
    commands = []
    if is_comparable("HEAD"):
        commands = compare
    elif repo.try_git("status", "--porcelain", "--", *COMMITTED):
        add = f"git add {' '.join(COMMITTED)} && git commit -m 'First result'"
        commands = [(add, "so that another can be compared with it, then"), *compare]
    named = [Path(parameters.data.files.get(split, "")) for split in ("test", "validation")]
    file = next((path.as_posix() for path in named if path.is_file()), "<file>")
    run = served_run()
    predict = f"temper predict --model {EXPORT} --input {shlex.quote(file)} --output scored.csv"
    return [
        *commands,
        ("dvc plots show", "curves, confusion matrix"),
        (predict, ""),
        *([(f"mlflow models serve -m runs:/{run}/model --env-manager local", "")] if run else []),
    ]


def served_run() -> str | None:
    """Return the id of the run with the exported model, if the runs are in an SQLite file."""
    from temper import tracking
    from temper.tracking import store

    scheme, _, path = store.tracking_uri().partition(":///")
    if scheme != "sqlite" or not Path(path).exists() or not Path(path).stat().st_size:
        return None
    from temper.sweep import model_registry  # MLflow takes a second

    try:
        weights = tracking.model_sha256(WEIGHTS)
        return model_registry.find_exported_run(store.connect(), weights).info.run_id
    except Exception:  # MLflow's, of a store that is broken, or no run has it
        return None


def is_comparable(revision: str) -> bool:
    """Check whether `temper compare` can read the scores of a git revision."""
    from temper.compare import compared_models  # DVC takes a second

    try:
        repo.check_repository()
        compared_models.find_model(revision, {}).read_bytes(METRICS.as_posix())
    except InputError:
        return False
    return True


def tracking_command() -> str:
    """Say where the MLflow runs are, without a server's address: it may hold a password."""
    if "MLFLOW_TRACKING_URI" in os.environ:
        return "on the server of MLFLOW_TRACKING_URI"
    if not STORE.exists():
        return f"none: there is no {STORE}"
    return f"mlflow ui --backend-store-uri sqlite:///{STORE}"


def sizes(folder: Path) -> str:
    """List the sizes of an export's weights and ONNX graphs in MiB."""
    files = [*sorted(folder.glob("*.safetensors")), *sorted(folder.rglob("*.onnx"))]
    return ", ".join(
        f"{file.relative_to(folder).as_posix()} {file.stat().st_size / 2**20:.1f} MiB"
        for file in files
    )
