"""All stages on a few rows in a scratch folder: what fails in a real run fails here in a minute.

The stages are processes of their own, started as dvc.yaml says, with an MLflow database of their
own. Nothing is written outside the scratch folder but what a download leaves in the Hub's cache.
Balanced class weights, and metrics that need rows of every label, are left out: a few have not all.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from temper import metrics, params, repo
from temper.core import arrow, artifacts, pipeline, yaml_file
from temper.core.errors import InputError
from temper.core.scratch import scratch_folder

ROWS = 32  # of each split; of train two batches if they are more
STEPS = 24  # optimizer steps, with an evaluation and a checkpoint in the middle and at the end
OUTPUTS = ("data", "checkpoints", "tracking", "sweeps", "params.yaml", "dvc.lock")
WRITTEN = ("dataset", "model", "code", "tokenize")  # folders of data/files
PER_ITEM = ("translators", "zero_shot", "teachers", "teacher_logits")  # a folder per item
PATHS = ("data.files", "model.files", "code", "tokenize.synonym_files")
TAIL = 15  # lines of a stage that fails without a message of temper's


@dataclass
class TrialRun:
    """What came of the stages.

    Attributes:
        folder: the scratch folder.
        seconds: of each stage of dvc.yaml; items of a `foreach` are counted together.
        stderr: of each stage or item.
        num_rows: of each split of the real run.
    """

    folder: Path
    seconds: dict[str, float] = field(default_factory=dict)
    stderr: dict[str, str] = field(default_factory=dict)
    num_rows: dict[str, int] = field(default_factory=dict)


@contextmanager
def trial_run(parameters: params.Params) -> Iterator[TrialRun]:
    """Run every stage in a scratch folder, which is deleted at the end.

    Raises:
        InputError: a stage fails; the message is the stage's own.
    """
    from tqdm import tqdm

    with scratch_folder() as folder:
        run = TrialRun(folder)
        make_workspace(run.folder, parameters)
        with tqdm(commands(parameters), leave=False, unit="stage", disable=None) as bar:
            for stage, command in bar:
                bar.set_description(stage)
                started = time.monotonic()
                run.stderr[stage] = run_stage(stage, command, run.folder)
                group, seconds = stage.partition("@")[0], time.monotonic() - started
                run.seconds[group] = run.seconds.get(group, 0.0) + seconds
                tqdm.write(f"{stage} {seconds:.1f} s", file=sys.stderr)
                if stage == "download@dataset":
                    raw = run.folder / "data/raw"
                    summary = artifacts.read_json(raw / "summary.json")
                    run.num_rows |= {s: e["rows"] for s, e in summary["splits"].items()}
                    cut_rows(raw, parameters)
        yield run


def make_workspace(folder: Path, parameters: params.Params) -> None:
    """Link what the stages read of the repository, and write params.yaml of a short run."""
    for path in Path().iterdir():
        if not path.name.startswith((".", "ml")) and path.name not in OUTPUTS:
            (folder / path.name).symlink_to(path.resolve())
    for name in (*(f"files/{group}" for group in WRITTEN), *PER_ITEM):
        (folder / "data" / name).mkdir(parents=True)
    tree = yaml_file.load(params.PARAMS_FILE)
    for key in PATHS:
        group = pipeline.get(tree, key)
        group.update({name: str(Path(path).resolve()) for name, path in group.items()})
    shorten(tree, parameters)
    text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    (folder / params.PARAMS_FILE).write_text(text, encoding="utf-8")


def shorten(tree: dict[str, Any], parameters: params.Params) -> None:
    """Change the values of params.yaml to those of a run of `STEPS` steps."""
    p, train = parameters.train, tree["train"]
    train |= {"epochs": float(STEPS), "evaluate_every": STEPS // 2, "save_every": STEPS // 2}
    if p.batch_size is not None:
        train["epochs"] = STEPS / -(-train_rows(parameters) // p.batch_size)
    if p.warmup_steps:
        train["warmup_steps"] = 1
    if p.class_weights == "balanced":
        train["class_weights"] = None
    if p.metric_for_best_model in metrics.training_metrics(parameters.task.metrics):
        train["metric_for_best_model"] = "loss"
    if p.model_soup_size:
        train["model_soup_size"] = 2
    if p.weight_averaging and p.weight_averaging.count:
        train["weight_averaging"]["count"] = 2
    if p.lr_scheduler_kwargs and p.lr_scheduler_kwargs.num_decay_steps:
        train["lr_scheduler_kwargs"]["num_decay_steps"] = 1
    for key in ("operating_point", "abstain"):  # a target may be out of reach
        decision = getattr(parameters.evaluate, key)
        if decision is not None and decision.target is not None:
            tree["evaluate"][key]["threshold"] = 0.5
            del tree["evaluate"][key][decision.target[0]]
    if parameters.export.max_score_drop is not None:
        tree["export"]["max_score_drop"] = 1.0


def train_rows(parameters: params.Params) -> int:
    """Return the rows that are cut from train, if it has as many."""
    return max(ROWS, 2 * (parameters.train.batch_size or 0))


def cut_rows(raw: Path, parameters: params.Params) -> None:
    """Leave a few rows of each split in data/raw, with all frequent labels in their shares."""
    whole, cut = arrow.load(raw), raw.with_name("cut")
    for split, rows in whole.items():
        count = min(len(rows), train_rows(parameters) if split == "train" else ROWS)
        order = np.arange(len(rows))
        if parameters.task.target is not None and parameters.task.target[1] == "class":
            labels = rows[parameters.task.target[0]][:]
            order = np.argsort([-1 if label is None else label for label in labels], kind="stable")
        chosen = np.sort(order[np.linspace(0, len(rows) - 1, count).astype(int)])
        columns = rows.select(chosen)[:]
        arrow.write_split(cut, str(split), rows.features, [columns])
    arrow.write_index(cut, map(str, whole))
    shutil.copy(raw / "summary.json", cut)
    del whole
    shutil.rmtree(raw)
    cut.rename(raw)


def commands(parameters: params.Params) -> list[tuple[str, str]]:
    """Return the stages of dvc.yaml in their order, those of `foreach` by item, with commands."""
    values, found = parameters.model_dump(mode="json"), []
    for name, stage in yaml.safe_load(Path("dvc.yaml").read_text("utf-8"))["stages"].items():
        if "foreach" not in stage:
            found.append((name, stage["cmd"]))
            continue
        items = stage["foreach"]
        if isinstance(items, str):
            items = pipeline.get(values, items[2:-1])
        for key, item in items.items():
            command = stage["do"]["cmd"].replace("${key}", key)
            command = re.sub(r"\$\{item\.(\w+)\}", lambda m, item=item: item[m[1]], command)
            found.append((f"{name}@{key}", command))
    return found


def run_stage(stage: str, command: str, folder: Path) -> str:
    """Run a stage's command in the scratch folder; return what it wrote to stderr.

    Raises:
        InputError: it fails.
    """
    env = repo.separate_env() | {"DVC_STAGE": stage, "TEMPER_LOG_EVERY": "1"}
    env["PYTHONPATH"] = os.pathsep.join([str(Path.cwd()), *filter(None, [env.get("PYTHONPATH")])])
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=repo.with_own_tools(env),
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode:
        raise InputError(f"{stage} fails in a trial run: {reason(done.stderr, folder)}")
    return done.stderr


def reason(stderr: str, folder: Path) -> str:
    """Return the error of a stage, or the last lines where it has none."""
    text = stderr.replace(f"{folder}/", "").replace(f"{Path.cwd()}/", "")
    lines = [line.rpartition("\r")[2] for line in text.splitlines()]
    starts = [i for i, line in enumerate(lines) if line.startswith("error: ")]
    if starts:
        return "\n".join(lines[starts[0] :]).removeprefix("error: ")
    return "\n  ".join(["", *lines[-TAIL:]])
