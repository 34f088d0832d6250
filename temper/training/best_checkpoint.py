"""The history of a session → which of its saved weights become data/model and data/checkpoints."""

from pathlib import Path

from temper.training.checkpoint import numbered_folders, step_of
from temper.training.history import History
from temper.training.setup import TrainingSetup


def best_step(history: History, setup: TrainingSetup) -> int | None:
    """Return the step of the best evaluation; None if there was none."""
    index = history.best(
        setup.params.metric_for_best_model, greater_is_better=setup.greater_is_better
    )
    return None if index is None else int(history.validation[index]["step"])


def averaged_steps(history: History, setup: TrainingSetup) -> list[int]:
    """Return the evaluated steps whose weights are averaged; [] without checkpoint averaging."""
    averaging = setup.params.weight_averaging
    if averaging is None or averaging.kind == "ema":
        return []
    rows = history.selected(
        setup.params.metric_for_best_model, averaging, greater_is_better=setup.greater_is_better
    )
    return [int(row["step"]) for row in rows]


def best_folder(history: History, setup: TrainingSetup) -> Path:
    """Return the folder of the best weights, or of the last if nothing was evaluated."""
    step = best_step(history, setup)
    return setup.folder / ("last" if step is None else f"best-{step}")


def averaged_sources(history: History, setup: TrainingSetup) -> list[Path]:
    """Return the folders whose weights are averaged into data/model; mostly just the best."""
    averaged = [setup.folder / f"scored-{step}" for step in averaged_steps(history, setup)]
    return averaged or [best_folder(history, setup)]


def needed_weights(
    history: History, setup: TrainingSetup, *, step: int, steps_per_epoch: int, is_finished: bool
) -> dict[Path, int]:
    """Return the folders that data/model and data/checkpoints need, and the steps they are from.

    A later best is written again in any case: the weights before it, which were deleted for it, are
    not needed.

    Args:
        history: of the training up to a checkpoint.
        setup: of the training.
        step: of the checkpoint.
        steps_per_epoch: of the training.
        is_finished: whether the training ends with the checkpoint.
    """
    keep, best = setup.params.keep_checkpoints, best_step(history, setup)
    steps = {f"scored-{step}": step for step in averaged_steps(history, setup)}
    later = [path for path in numbered_folders(setup.folder, "best") if step_of(path) > step]
    if best is not None and not later:
        steps[f"best-{best}"] = best
    if is_finished and (best is None or keep == "last"):
        steps["last"] = step
    if keep == "all":
        epochs = range(1, step // steps_per_epoch + 1)
        steps |= {f"epoch-{n}": n * steps_per_epoch for n in epochs}
    return {setup.folder / name: step for name, step in steps.items()}


def kept_checkpoints(history: History, setup: TrainingSetup) -> dict[str, Path]:
    """Return the weights that become data/checkpoints, by their name there."""
    return {
        "best": {"best": best_folder(history, setup)},
        "last": {"last": setup.folder / "last"},
        "all": {path.name: path for path in numbered_folders(setup.folder, "epoch")},
    }[setup.params.keep_checkpoints]
