"""The history of a session → which of its saved weights become data/model and data/checkpoints."""

from pathlib import Path

from temper.training import checkpoint
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


def kept_checkpoints(history: History, setup: TrainingSetup) -> dict[str, Path]:
    """Return the weights that become data/checkpoints, by their name there."""
    return {
        "best": {"best": best_folder(history, setup)},
        "last": {"last": setup.folder / "last"},
        "all": {path.name: path for path in checkpoint.numbered_folders(setup.folder, "epoch")},
    }[setup.params.keep_checkpoints]
