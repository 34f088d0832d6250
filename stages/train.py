"""data/tokenized and data/base → data/model, data/checkpoints and data/history.

`accelerate launch --config_file launch/single.yaml -m stages.train data/tokenized data/base
data/model data/checkpoints data/history`
"""

import shutil
import sys
import time
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from temper import params, tracking
from temper.core import arrow, artifacts, determinism, errors
from temper.core.errors import InputError
from temper.params import user_code
from temper.training import averaging, checkpoint, console, distributed, networks

if TYPE_CHECKING:
    from datasets import Features

    from temper.training.session import TrainingSession
    from temper.training.setup import OnMetrics, TrainingSetup


def fine_tune(parameters: params.Params, data: Any, base: Path, folder: Path, on_metrics) -> Any:
    """Train to the end, or find that it already is; return the course, or the soup, of it."""
    from temper.training import soup

    size, seed = parameters.train.model_soup_size, parameters.seed
    once = partial(train_once, parameters, data, base)
    if size is None:
        return once(folder, on_metrics, seed)
    custom_class = user_code.resolve(
        parameters.model.custom_class, "model.custom_class", parameters.code
    )
    return soup.train_soup(once, size, folder, on_metrics, seed, custom_class)


def train_once(
    parameters: params.Params,
    data: Any,
    base: Path,
    folder: Path,
    on_metrics: "OnMetrics",
    seed: int,
    per_device_batch_size: int | None = None,
) -> "TrainingSession":
    """Train with `seed`; where memory runs out, start over with a smaller per-device batch.

    Args:
        parameters: all of them.
        data: the tokenized splits.
        base: the base model.
        folder: where the checkpoints go.
        on_metrics: called with (prefix, metrics, step).
        seed: of everything but new weights, which `parameters.seed` draws.
        per_device_batch_size: one that has fit in memory before; None: as `parameters` say.
    """
    from temper.training import memory, setup

    world_size, first = distributed.world_size(), distributed.is_first()
    fitted = memory.with_fitted_batch_size(parameters.train, folder, per_device_batch_size)
    while True:
        parameters = parameters.model_copy(update={"train": fitted})
        made = setup.build_setup(parameters, data, base, folder, on_metrics, seed)
        try:
            return attempt(parameters, made, base, data["train"].features, world_size)
        except memory.OutOfMemory as error:
            reason, agreed = str(error), error.agreed
        memory.free()
        fitted = memory.halve_batch_size(
            fitted, folder, world_size, reason, first=first or not agreed
        )
        if not agreed:
            raise InputError(
                "this rank ran out of memory while others were mid-step; run the same command "
                "again to restart with a smaller batch"
            )


def attempt(
    parameters: params.Params,
    setup: "TrainingSetup",
    base: Path,
    features: "Features",
    world_size: int,
) -> "TrainingSession":
    """Train with the engine that `train.engine` names."""
    from temper.training import optimizer
    from temper.training.session import TrainingSession

    determinism.configure(parameters.determinism, parameters.seed)
    custom_class = user_code.resolve(
        parameters.model.custom_class, "model.custom_class", parameters.code
    )
    network = networks.build(base, setup.task, features, parameters.model, custom_class)
    freeze = setup.params.freeze
    optimizer.freeze(network, embedding_table=freeze.embeddings, num_layers=freeze.layers)
    session = TrainingSession(network, setup, world_size)
    if session.args.should_save:
        console.describe(session)
    import_module(f"temper.engines.{setup.params.engine}").run(session)
    return session


def write_outputs(session: Any, base: Path, targets: tuple[Path, Path, Path]) -> None:
    """Copy the best weights, or the last where nothing was scored, and those `keep` names."""
    model_target, checkpoints_target, history_target = targets
    with artifacts.atomic_dir(model_target) as target:
        averaging.mean(session.sources(), target)
        shutil.copytree(base / "processor", target, dirs_exist_ok=True)
    with artifacts.atomic_dir(checkpoints_target) as target:
        for name, source in session.kept().items():
            averaging.mean([source], target / name)
    with artifacts.atomic_dir(history_target) as target:
        session.history.write_csv(target)


def main(tokenized: Path, base: Path, *targets: Path) -> None:
    parameters, world_size = params.load(), distributed.world_size()
    determinism.configure(parameters.determinism, parameters.seed)
    launch = Path("launch") / f"{parameters.train.launch}.yaml"
    key = checkpoint.fingerprint(parameters, [tokenized, base], launch, world_size)
    folder, data, started = checkpoint.folder_for(key), arrow.load(tokenized), time.monotonic()
    if not distributed.is_first():
        fine_tune(parameters, data, base, folder, lambda *_: None)
        return
    with (
        checkpoint.locked(folder),
        tracking.run("train", parameters, fingerprint=key) as run,
        console.Table(user_code.attribute_name(parameters.train.metric_for_best_model)) as table,
    ):

        def on_metrics(prefix: str, numbers: dict[str, float], step: int) -> None:
            if prefix != "train" or step % run.log_every == 0:
                run.log_metrics({f"{prefix}/{k}": v for k, v in numbers.items()}, step)
            table.on_metrics(prefix, numbers, step)

        run.log_dataset(arrow.digests(tokenized))
        session = fine_tune(parameters, data, base, folder, on_metrics)
        write_outputs(session, base, targets)  # type: ignore[arg-type]
        run.log_metrics(console.resources(session, time.monotonic() - started))
        run.set_model(targets[0])
        run.log_artifacts(targets[2], "history")


if __name__ == "__main__":
    with errors.exit_on_input_error():
        distributed.use_devices(params.load().train.launch)
        determinism.prepare(params.load().determinism)
        main(*map(Path, sys.argv[1:]))
