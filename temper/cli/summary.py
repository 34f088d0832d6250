"""Summarise a finished run: scores beside baselines, the model, the lock file, next commands.

`temper summary`
"""

import json
import os
import shlex
import textwrap
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.console import Console

from temper import params, repo
from temper.core import artifacts
from temper.core.errors import InputError
from temper.evaluation import decision_table, report
from temper.params.renamed import with_current_names
from temper.prediction.engines import why_no_graph

METRICS, REPORT = Path("data/evaluation/metrics.json"), Path("data/evaluation/report.html")
EXPORT, STORE = Path("data/export"), Path("mlflow.db")
WEIGHTS = Path("data/model")
LINE, INDENT = 79, 11  # characters of a line, and of what stands left of it
COMMITTED = (params.PARAMS_FILE.as_posix(), repo.LOCK.as_posix())


def summary() -> None:
    """Show the scores, the model, whether dvc.lock was reproduced, and next commands."""
    for path in (METRICS, REPORT, EXPORT / "config.json", repo.LOCK):
        if not path.exists():
            raise InputError(f"{path} does not exist; run dvc repro")
    now = params.load()
    stages = repo.locked_stages()
    scored, exported = (locked_groups(stages, name) for name in ("evaluate", "export"))
    parameters = made_with(scored, exported, now)
    edited = repo.changed(params.flatten(parameters), params.flatten(now))
    metrics = artifacts.read_json(METRICS)
    report.text_table(metrics, parameters.task.metrics).print(Console())
    for gap in report.gaps(metrics, parameters.task.metrics):
        meaning = f" ({gap['meaning']})" if gap["meaning"] else ""
        print(f"{gap['metric']}, train minus {gap['split']}: {gap['value']}{meaning}")
    remarks = report.remarks(metrics, parameters.task.metrics)
    for remark in [*report.average_of_f1(parameters), *remarks]:
        print(textwrap.fill(remark, LINE))
    if decisions := decision_table.read(METRICS.parent):
        decision_table.text_table(decisions).print(Console())
        for key, reason in decisions["unreached"].items():
            print(f"evaluate.{key}: {reason}")
    model = [f"{EXPORT} ({sizes(EXPORT)})"]
    for engine, name in (("onnx", "ONNX"), ("int8", "int8 ONNX")):
        if (reason := why_no_graph(EXPORT, engine)) is not None:
            model.append(f"no {name}: {reason}")
            break
    print()
    print_entry("model", *model)
    print_entry("report", str(REPORT))
    print_entry("lock file", *repo.lock_verdict().splitlines())
    if edited:
        print_entry(
            "edited",
            f"{', '.join(repo.summarized(edited))} in {params.PARAMS_FILE}: all above is of the "
            f"values in {repo.LOCK}",
        )
    print_entry("runs", tracking_command())
    stale = stale_keys(scored, exported)
    if stale:
        print_entry("stale", f"{EXPORT}, of other values: {', '.join(repo.summarized(stale))}")
    commands = next_commands(parameters, is_edited=bool(edited or stale))
    print_entry("next", *map(command_line, *zip(*commands, strict=True)))


def made_with(
    scored: dict[str, Any], exported: dict[str, Any], now: params.Params
) -> params.Params:
    """Return the parameters of the scores, and export's; those of now where it cannot be told.

    Args:
        scored: evaluate's groups, see `locked_groups`.
        exported: export's.
    """
    groups = scored | {"export": exported.get("export")}
    groups.pop("export.name", None)  # evaluate depends on that one of export's
    try:
        return params.Params.model_validate_json(json.dumps(with_current_names(groups)[0]))
    except ValidationError:  # an earlier version's, or a pipeline of your own
        return now


def locked_groups(stages: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the parameters that dvc.lock has of a stage; none where it lacks the stage."""
    locked = stages.get(name, {}).get("params", {})
    return locked.get(params.PARAMS_FILE.as_posix()) or {}


def stale_keys(scored: dict[str, Any], exported: dict[str, Any]) -> list[str]:
    """List the parameters that evaluate had other values of than export, if it ran alone since."""
    shared = scored.keys() & exported.keys()  # a pipeline of your own may have few
    before, now = (
        repo.leaves({"params": {"": {name: groups[name] for name in shared}}})
        for groups in (scored, exported)
    )
    return repo.changed(before, now)


def print_entry(name: str, *texts: str) -> None:
    """Print texts beside a name, each from a new line on and wrapped at spaces."""
    lines = [
        line
        for text in texts
        for part in text.splitlines()
        for line in textwrap.wrap(
            part, LINE - INDENT, break_long_words=False, break_on_hyphens=False
        )
    ]
    for i, line in enumerate(lines):
        print(f"{'' if i else name:{INDENT}}{line}")


def command_line(command: str, effect: str) -> str:
    """Return a command, with its effect as a comment where there is room, to paste into a shell."""
    if len(command) > LINE - INDENT:
        first, *options = command.split(" --")
        lines = [first]
        for option in options:
            if len(lines[-1]) + len(option) > LINE - INDENT - 5:  # " --" and " \\"
                lines.append(f"--{option}")
            else:
                lines[-1] += f" --{option}"
        return " \\\n".join(lines)
    commented = f"{command}   # {effect}"
    return commented if effect and len(commented) <= LINE - INDENT else command


def next_commands(parameters: params.Params, *, is_edited: bool = False) -> list[tuple[str, str]]:
    """Return commands that work in this state of the repository, in order, and what for.

    Args:
        parameters: those of the scores.
        is_edited: whether params.yaml, or the export, has others.
    """
    learning_rate = f"{2 * parameters.train.learning_rate:g}"
    compare = [
        (f"dvc exp run -S train.learning_rate={learning_rate}", "another model"),
        ("temper compare HEAD workspace", "is it significantly better?"),
    ]
    commands = []
    is_uncommitted = bool(repo.try_git("status", "--porcelain", "--", *COMMITTED))
    if is_edited:
        commands = [("dvc repro", f"with {params.PARAMS_FILE} as it is now")]
    elif is_comparable("HEAD"):  # the next experiment would replace a result that is not committed
        files = " ".join(COMMITTED)
        keep = (f"git commit -qm 'A better model' {files}", "if it is")
        back = (f"git checkout {files} && dvc checkout", "if not")
        commands = [compare[1], keep, back] if is_uncommitted else compare
    elif is_uncommitted:
        commands = [
            (f"git add {' '.join(COMMITTED)} && git commit -m 'First result'", ""),
            *compare,
        ]
    named = [Path(parameters.data.files.get(split, "")) for split in ("test", "validation")]
    file = next((path.as_posix() for path in named if path.is_file()), "<file>")
    run = served_run()
    predict = f"temper predict --model {EXPORT} --input {shlex.quote(file)} --output scored.csv"
    return [
        *commands,
        ("dvc plots show", "curves, confusion matrix"),
        ("temper demo", "a page to try the model on"),
        (predict, ""),
        *(
            [(f"mlflow models serve --env-manager local --model-uri runs:/{run}/model", "")]
            if run
            else []
        ),
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
