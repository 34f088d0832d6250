"""data/tokenized and data/base → data/model, data/checkpoints and data/history.

`accelerate launch --config_file launch/single.yaml -m stages.train data/tokenized data/base
data/model data/checkpoints data/history`
"""

import os
import shutil
import sys
import time
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from stages import arrow, determinism, errors, outputs, own, params, processes, tracking
from stages.errors import InputError
from stages.training import averaging, checkpoint, console, model


def use_devices(launch: str) -> None:
    """Let a run of one process see one GPU, so that `single` uses exactly one; `cpu_…` none."""
    if launch.startswith("cpu"):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    elif processes.world_size() == 1:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
        os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[0]


def fine_tune(parameters: params.Params, data: Any, base: Path, folder: Path, observe) -> Any:
    """Train to the end, or find that it already is; return the course, or the soup, of it."""
    from stages.training import soup

    size, seed = parameters.train.soup, parameters.seed
    once = partial(train_once, parameters, data, base)
    if size is None:
        return once(folder, observe, seed)
    own_class = own.resolve(parameters.model.own, "model.own", parameters.code)
    return soup.make(once, size, folder, observe, seed, own_class)


def train_once(
    parameters: params.Params,
    data: Any,
    base: Path,
    folder: Path,
    observe: Any,
    seed: int,
    at_once: int | None = None,
) -> Any:
    """Train with `seed` for all but the new weights; with less at once where memory runs out.

    Args:
        at_once: examples at once that have fitted in memory before; None: as parameters say.
    """
    from stages.training import job, memory

    world_size, first = processes.world_size(), processes.is_first()
    settled = memory.settled(parameters.train, folder, at_once)
    while True:
        parameters = parameters.model_copy(update={"train": settled})
        work = job.make(parameters, data, base, folder, observe, seed)
        try:
            return attempt(parameters, work, base, data["train"].features, world_size)
        except memory.OutOfMemory as error:
            reason, agreed = str(error), error.agreed
        memory.free()
        settled = memory.halved(settled, folder, world_size, reason, first=first or not agreed)
        if not agreed:
            raise InputError("the other processes wait in mid-step: run the same command again")


def attempt(parameters: params.Params, job: Any, base: Path, features: Any, world_size: int) -> Any:
    """Train with the engine that `train.engine` names; return the course of it."""
    from stages.training import optimizer
    from stages.training.course import Course

    determinism.configure(parameters.determinism, parameters.seed)
    own_class = own.resolve(parameters.model.own, "model.own", parameters.code)
    network = model.build(base, job.task, features, parameters.model, own_class)
    freeze = job.params.freeze
    optimizer.freeze(network, embedding_table=freeze.embeddings, num_layers=freeze.layers)
    course = Course(network, job, world_size)
    if course.args.should_save:
        console.describe(course)
    import_module(f"stages.training.{job.params.engine}").run(course)
    return course


def write_outputs(course: Any, base: Path, targets: tuple[Path, Path, Path]) -> None:
    """Copy the best weights, or the last where nothing was scored, and those `keep` names."""
    model_target, checkpoints_target, history_target = targets
    with outputs.whole_folder(model_target) as target:
        averaging.mean(course.sources(), target)
        shutil.copytree(base / "processor", target, dirs_exist_ok=True)
    with outputs.whole_folder(checkpoints_target) as target:
        for name, source in course.kept().items():
            averaging.mean([source], target / name)
    with outputs.whole_folder(history_target) as target:
        course.history.write_csv(target)


def main(tokenized: Path, base: Path, *targets: Path) -> None:
    parameters, world_size = params.load(), processes.world_size()
    determinism.configure(parameters.determinism, parameters.seed)
    launch = Path("launch") / f"{parameters.train.launch}.yaml"
    key = checkpoint.fingerprint(parameters, [tokenized, base], launch, world_size)
    folder, data, started = checkpoint.folder_for(key), arrow.load(tokenized), time.monotonic()
    if not processes.is_first():
        fine_tune(parameters, data, base, folder, lambda *_: None)
        return
    with (
        checkpoint.locked(folder),
        tracking.run("train", parameters, fingerprint=key) as run,
        console.Table(own.last(parameters.train.best_metric)) as table,
    ):

        def observe(prefix: str, numbers: dict[str, float], step: int) -> None:
            if prefix != "train" or step % run.log_every == 0:
                run.log_metrics({f"{prefix}/{k}": v for k, v in numbers.items()}, step)
            table.observe(prefix, numbers, step)

        run.log_dataset(arrow.digests(tokenized))
        course = fine_tune(parameters, data, base, folder, observe)
        write_outputs(course, base, targets)  # type: ignore[arg-type]
        run.log_metrics(console.resources(course, time.monotonic() - started))
        run.set_model(targets[0])
        run.log_artifacts(targets[2], "history")


if __name__ == "__main__":
    with errors.reported():
        use_devices(params.load().train.launch)
        determinism.prepare(params.load().determinism)
        main(*map(Path, sys.argv[1:]))
