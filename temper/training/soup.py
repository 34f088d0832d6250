"""Several training runs from the same initial weights → the mean of their weights.

Model soups (Wortsman et al. 2022). The members start from the same weights, those of a new head
included, and differ in the order of rows and in dropout. Inference costs as much as with one model.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import nn

from temper.models import loading
from temper.params.schema import Params
from temper.training import averaging, batch_norm, distributed, networks
from temper.training.history import History, Row, history_row
from temper.training.session import OnMetrics, TrainingSession

# folder, on_metrics, seed, per-device batch size that has fit before → a finished member
TrainMember = Callable[[Path, OnMetrics, int, int | None], TrainingSession]


@dataclass(frozen=True)
class ModelSoup:
    """Trained members and their average, with the results that a `TrainingSession` has.

    Attributes:
        members: in order; their networks are freed.
        model: the average, on the device.
        history: the members', one after the other; the last row, one step later, is the average's.
    """

    members: list[TrainingSession]
    model: nn.Module
    history: History

    def model_sources(self) -> list[Path]:
        """Return the folder whose weights become data/model."""
        return [self.members[-1].folder / "soup"]

    def kept_checkpoints(self) -> dict[str, Path]:
        """Return each member's weights that `train.keep_checkpoints` selects, by their name."""
        return {
            f"member-{number}/{name}": path
            for number, member in enumerate(self.members, 1)
            for name, path in member.kept_checkpoints().items()
        }


def train_soup(
    train: TrainMember, parameters: Params, size: int, folder: Path, on_metrics: OnMetrics
) -> ModelSoup:
    """Train the members one after the other, average them, and evaluate the average.

    Args:
        train: trains one member to the end, or loads it if it is finished.
        parameters: their seed is the one that the members' are derived from.
        on_metrics: receives the members' metrics, with steps that continue from member to member.
    """
    members: list[TrainingSession] = []
    num_steps = 0
    for number in range(1, size + 1):
        distributed.print_once(f"training {number} of {size}")
        seed = int(np.random.SeedSequence([parameters.seed, number]).generate_state(1)[0])
        member_folder = folder / f"{folder.name}-{number}"
        member_folder.mkdir(parents=True, exist_ok=True)
        fitted = members[-1].params.per_device_batch_size if members else None
        members.append(train(member_folder, shift_steps(on_metrics, num_steps), seed, fitted))
        members[-1].release_memory()
        num_steps += int(members[-1].history.train[-1]["step"])
    soup = ModelSoup(members, average(members), concatenate(members))
    if members[-1].validator is not None:
        distributed.print_once(f"the average of these {size}:")
        evaluate(soup, on_metrics)
    return soup


def shift_steps(on_metrics: OnMetrics, num_steps: int) -> OnMetrics:
    """Add `num_steps` to each step that is passed to `on_metrics`.

    The untrained model, step 0, is the first member's: it is the same for all of them.
    """

    def shifted(prefix: str, metrics: Row, step: int) -> None:
        if step or not num_steps:
            on_metrics(prefix, metrics, num_steps + step)

    return shifted


def average(members: list[TrainingSession]) -> nn.Module:
    """Write the mean of the members' weights to the last one's folder, and load it."""
    last = members[-1]
    with last.checkpoints.atomic_dir("soup") as partial:
        if distributed.is_main_process():
            sources = [member.model_sources() for member in members]
            changed = averaging.average_weights(sources, partial)
            batch_norm.recompute_statistics(partial, changed, last)
    last.checkpoints.wait()
    model = loading.load(last.folder / "soup", last.task.auto_model, last.custom_class)
    networks.move(model, last.args.device)
    return model


def concatenate(members: list[TrainingSession]) -> History:
    """Return the members' histories as one."""
    history = replace(members[0].history, train=[], validation=[])
    for member in members:
        history.extend(member.history)
    return history


def evaluate(soup: ModelSoup, on_metrics: OnMetrics) -> None:
    """Add the validation metrics of the average to the history."""
    end, validator = soup.history.train[-1], soup.members[-1].validator
    assert validator is not None
    metrics = validator.score(soup.model)
    step = int(end["step"]) + 1
    soup.history.validation.append(history_row(step, end["epoch"], metrics))
    on_metrics("validation", metrics, step)
