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

import numpy as np

from stages import (
    arrow,
    determinism,
    errors,
    metrics,
    models,
    outputs,
    own,
    params,
    tasks,
    tracking,
)
from stages.errors import InputError
from stages.tasks import arrays
from stages.tasks.base import Collator
from stages.training import averaging, checkpoint, console, losses, model

WEIGHTS = ("config.json", "model*.safetensors*")


def use_devices(launch: str) -> None:
    """Let a run of one process see one GPU, so that `single` uses exactly one; `cpu_…` none."""
    if launch.startswith("cpu"):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    elif int(os.environ.get("WORLD_SIZE", "1")) == 1:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
        os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[0]


def make_loss(parameters: params.Params, dataset: Any, task: tasks.Task) -> losses.Loss:
    """Return the training loss with its class weights, balanced ones from the training labels."""
    p, weights = parameters.train, parameters.train.class_weights
    if weights == "balanced":
        ids = np.concatenate([np.atleast_1d(labels) for labels in dataset["labels"]]).astype(int)
        weights = losses.balanced_weights(np.bincount(ids[ids >= 0], minlength=len(task.names)))
    if weights is not None and len(weights) != len(task.names):
        raise InputError(
            f"train.class_weights has {len(weights)} numbers for {len(task.names)} labels"
        )
    head = parameters.model.head
    return losses.make(
        "crf" if head is not None and head.crf else task.loss,
        label_smoothing=p.label_smoothing,
        class_weights=weights,
        focal_gamma=p.focal_gamma or 0.0,
        huber_delta=p.huber_delta,
    )


def own_metric(parameters: params.Params) -> dict[str, Any]:
    """Return the user's function that `train.best_metric` names, by its own name; or {}."""
    best = parameters.train.best_metric
    if "." not in best:
        return {}
    return {own.last(best): own.resolve(best, "train.best_metric", parameters.code)}


def scoring(parameters: params.Params, names: list[str]) -> Any:
    """Return the task's metrics, and the user's, as a function of predictions and references."""
    name, functions = parameters.task.metrics, own_metric(parameters)
    plain = partial(metrics.with_loss if metrics.is_of_labels(name) else metrics.score, name)

    def scores(found: Any, wanted: Any, **options: Any) -> dict[str, float]:
        read = metrics.as_read(name, found, wanted, names) if functions else ([], [])
        return plain(found, wanted, **options) | own.scores(functions, *read)

    return scores


def make_job(parameters: params.Params, data: Any, base: Path, folder: Path, observe: Any) -> Any:
    """Join parameters, data and functions to what the engine trains."""
    from stages.tracking import reporters
    from stages.training import memory, optimizer
    from stages.training.job import Job

    train, name = data["train"], parameters.task.metrics
    best = own.last(parameters.train.best_metric)
    p = parameters.train.model_copy(update={"best_metric": best})
    task = tasks.load(parameters, train.features)
    if not task.is_labelled(train):
        raise InputError("the training split has no labels; nothing can be learned from it")
    validation = data.get("validation")
    scored = validation is not None and task.is_labelled(validation)
    averaged = p.averaging is not None and p.averaging.kind != "ema"
    if not scored and (p.best_metric != "loss" or p.early_stopping.patience or averaged):
        raise InputError(
            "there is no labelled validation split, but train.best_metric, train.early_stopping "
            "or train.averaging needs one; set data.split.validation"
        )
    processor = tasks.load_processor(base / "processor", task)
    config = models.open_config(base / "weights")
    task.configure(config, train.features)
    is_text = parameters.tokenize.max_length is not None
    code = parameters.code
    optimizer_of = None if p.optimizer == "adamw_8bit" else p.optimizer
    own_optimizer = own.resolve(optimizer_of, "train.optimizer", code)
    callbacks = [own.resolve(name, "train.callbacks", code) for name in p.callbacks or ()]
    return Job(
        params=memory.settled(p, folder),
        seed=parameters.seed,
        train=train,
        validation=validation if scored else None,
        collate=around(
            own.resolve(p.collator, "train.collator", code),
            task.collator(processor, config, p.augmentation),
        ),
        validation_collate=task.collator(processor, config),
        width=(lambda longest: arrays.padded_width([longest], parameters)) if is_text else None,
        one_shape=parameters.tokenize.padding == "max_length",
        task=task,
        loss=own.resolve(p.loss, "train.loss", code) or make_loss(parameters, train, task),
        divergence=losses.divergence(task.loss),
        scores=scoring(parameters, task.names),
        greater=metrics.greater_is_better(p.best_metric, name, own_metric(parameters)),
        make_optimizer=partial(optimizer.make, own=own_optimizer),
        callbacks=reporters.callbacks(parameters, folder.name) + [make() for make in callbacks],
        folder=folder,
        observe=observe,
    )


def around(function: Any, collate: Collator) -> Collator:
    """Return a user's collator of `(rows, collate)` as one of rows; None leaves the task's."""
    return collate if function is None else lambda rows: function(rows, collate)


def fine_tune(parameters: params.Params, data: Any, base: Path, folder: Path, observe) -> Any:
    """Train to the end, or find that it already is; return the course of it."""
    from stages.training import memory

    world_size, first = int(os.environ.get("WORLD_SIZE", "1")), os.environ.get("RANK", "0") == "0"
    while True:
        job = make_job(parameters, data, base, folder, observe)
        try:
            return attempt(parameters, job, base, data["train"].features, world_size)
        except memory.OutOfMemory as error:
            reason = str(error)
        memory.free()
        decision = memory.halve(job.params, folder, world_size, reason, first=first)
        print(decision, file=sys.stderr)


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
    folder, keep = course.job.folder, course.job.params.keep
    best, averaged = course.best_step(), course.averaged_steps()
    chosen = folder / ("last" if best is None else f"best-{best}")
    kept = {
        "best": {"best": chosen},
        "last": {"last": folder / "last"},
        "all": {path.name: path for path in checkpoint.numbered(folder, "epoch")},
    }[keep]
    model_target, checkpoints_target, history_target = targets
    with outputs.whole_folder(model_target) as target:
        copy_weights(chosen, target)
        if averaged:
            averaging.mean([folder / f"scored-{step}" for step in averaged], target)
        shutil.copytree(base / "processor", target, dirs_exist_ok=True)
    with outputs.whole_folder(checkpoints_target) as target:
        for name, source in kept.items():
            copy_weights(source, target / name)
    with outputs.whole_folder(history_target) as target:
        course.history.write_csv(target)


def copy_weights(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for pattern in WEIGHTS:
        for file in source.glob(pattern):
            shutil.copyfile(file, target / file.name)


def main(tokenized: Path, base: Path, *targets: Path) -> None:
    parameters, world_size = params.load(), int(os.environ.get("WORLD_SIZE", "1"))
    first = int(os.environ.get("RANK", "0")) == 0
    determinism.configure(parameters.determinism, parameters.seed)
    launch = Path("launch") / f"{parameters.train.launch}.yaml"
    key = checkpoint.fingerprint(parameters, [tokenized, base], launch, world_size)
    folder, data, started = checkpoint.folder_for(key), arrow.load(tokenized), time.monotonic()
    if not first:
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
