"""data/tokenized and data/base → data/model, data/checkpoints and data/history.

`python -m temper.training.launcher launch/single.yaml -m stages.train data/tokenized data/base
data/model data/checkpoints data/history data/teacher_logits`
"""

import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from temper import params, tracking
from temper.core import arrow, artifacts, determinism, errors, startup
from temper.models import light_imports
from temper.params import user_code
from temper.training import checkpoint, console, distillation, distributed, fingerprint, precision

NO_TEACHERS = Path("data/teacher_logits")  # without a folder in it

if TYPE_CHECKING:
    from datasets import DatasetDict

    from temper.params.train import TrainParams
    from temper.training.session import OnMetrics, TrainingSession
    from temper.training.soup import ModelSoup

    OnStart = Callable[[TrainingSession], None]


def fine_tune(
    parameters: params.Params,
    data: "DatasetDict",
    base: Path,
    folder: Path,
    on_metrics: "OnMetrics",
    on_start: "OnStart" = lambda _: None,
) -> "TrainingSession | ModelSoup":
    """Train one session or a model soup to the end; what is already trained is loaded.

    Args:
        on_metrics: called with (prefix, metrics, step) after each step and evaluation.
        on_start: called with each session before its first step.
    """
    from temper.training import soup

    train = partial(train_session, parameters, data, base, on_start)
    size = parameters.train.model_soup_size
    if size is None:
        return train(folder, on_metrics, parameters.seed)
    return soup.train_soup(train, parameters, size, folder, on_metrics)


def train_session(
    parameters: params.Params,
    data: "DatasetDict",
    base: Path,
    on_start: "OnStart",
    folder: Path,
    on_metrics: "OnMetrics",
    seed: int,
    per_device_batch_size: int | None = None,
) -> "TrainingSession":
    """Train with `seed`, restarting with a smaller per-device batch when memory runs out.

    Args:
        seed: of everything but new weights, which are drawn from `parameters.seed`.
        per_device_batch_size: replaces that of `parameters`, because it has fit before.
    """
    from temper.training import memory
    from temper.training.session import TrainingSession

    memory.keep_freed_memory()
    engine = import_module(f"temper.engines.{parameters.train.engine}")
    startup.end_imports()

    def attempt(train_params: "TrainParams") -> "TrainingSession":
        fitted = parameters.model_copy(update={"train": train_params})
        session = TrainingSession(fitted, data, base, folder, on_metrics, seed)
        on_start(session)
        engine.run(session)
        return session

    train_params = parameters.train
    if per_device_batch_size is not None:
        update = {"per_device_batch_size": per_device_batch_size}
        train_params = train_params.model_copy(update=update)
    train_params = memory.with_fitted_batch_size(train_params, folder)
    halve = partial(memory.halve_batch_size, folder)
    if parameters.task.has_in_batch_loss:
        halve = memory.refuse_smaller_batch
    return memory.call_until_it_fits(attempt, train_params, halve, memory.OutOfMemory)


def report_to(run: tracking.Run, table: console.ProgressTable) -> "OnMetrics":
    """Return a function that logs metrics and shows them."""

    def on_metrics(prefix: str, metrics: dict[str, float], step: int) -> None:
        if prefix != "train" or step % run.log_every == 0:
            run.log_metrics({f"{prefix}/{k}": v for k, v in metrics.items()}, step)
        table.on_metrics(prefix, metrics, step)

    return on_metrics


def write_outputs(
    result: "TrainingSession | ModelSoup",
    base: Path,
    targets: tuple[Path, Path, Path],
    chosen: dict[str, str] | None = None,
    taught: dict[str, Any] | None = None,
) -> None:
    """Write data/model, data/checkpoints and data/history, each atomically.

    Args:
        chosen: by auto, by key; part of the history.
        taught: by whom and how; part of the model.
    """
    from temper.training import averaging, batch_norm

    model_target, checkpoints_target, history_target = targets
    with artifacts.atomic_dir(model_target) as target:
        changed = averaging.average_weights([result.model_sources()], target)
        batch_norm.recompute_statistics(target, changed, result.members[-1])
        shutil.copytree(base / "processor", target, dirs_exist_ok=True)
        if taught:
            artifacts.write_json(target / artifacts.TAUGHT_FILE, taught)
    with artifacts.atomic_dir(checkpoints_target) as target:
        for name, source in result.kept_checkpoints().items():
            averaging.average_weights([[source]], target / name)
    with artifacts.atomic_dir(history_target) as target:
        result.history.write_csv(target)
        if chosen:
            artifacts.write_json(target / precision.CHOSEN_FILE, chosen)


def main(
    tokenized: Path,
    base: Path,
    model: Path,
    checkpoints: Path,
    history: Path,
    teacher_logits: Path = NO_TEACHERS,
) -> None:
    parameters, chosen = precision.resolve(params.load())
    determinism.configure(parameters.determinism, parameters.seed)
    launch = Path("launch") / f"{parameters.train.launch}.yaml"
    world_size = distributed.world_size()
    read = [tokenized, base, *(teacher_logits / name for name in parameters.train.teachers)]
    record = fingerprint.record(parameters, read, launch, world_size)
    digest = fingerprint.digest(record)
    folder = checkpoint.folder_for(digest)
    data = distillation.with_logits(arrow.load(tokenized), teacher_logits, parameters)
    start_s = time.monotonic()
    if not distributed.is_main_process():
        with distributed.explaining_lost_processes():
            fine_tune(parameters, data, base, folder, lambda *_: None)
        return
    metric_for_best_model = user_code.attribute_name(parameters.train.metric_for_best_model)
    with (
        checkpoint.locked(folder),
        tracking.run("train", parameters, fingerprint=digest) as run,
        console.ProgressTable(metric_for_best_model) as table,
        distributed.explaining_lost_processes(),
    ):
        if unfinished := fingerprint.keep(record, folder):
            print(unfinished, file=sys.stderr)
        run.log_dataset(arrow.digests(tokenized))
        result = fine_tune(parameters, data, base, folder, report_to(run, table), table.on_start)
        artifacts.remove_stale_folders(teacher_logits, parameters.train.teachers)
        taught = distillation.record(teacher_logits, parameters)
        write_outputs(result, base, (model, checkpoints, history), chosen, taught)
        run.log_metrics(console.resource_metrics(result, time.monotonic() - start_s))
        run.set_model(model)
        run.set_tags(distillation.tags(taught))
        run.log_artifact(history, "history")


if __name__ == "__main__":
    startup.collect_rarely()
    with errors.exit_on_input_error():
        distributed.take_over_sharding()
        distributed.restrict_visible_gpus((parameters := params.load()).train.launch)
        determinism.prepare(parameters.determinism)
        tracking.begin()
        light_imports.leave_out(parameters)
        main(*map(Path, sys.argv[1:]))
