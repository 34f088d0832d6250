"""Several training runs from the same initial weights → the mean of their weights.

Model soups (Wortsman et al. 2022). The members start from the same weights, those of a new head
included, and differ in the order of rows and in dropout. Inference costs as much as with one model.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from temper.models import loading
from temper.training import averaging, distributed, networks
from temper.training.history import History, rounded
from temper.training.session import TrainingSession
from temper.training.setup import OnMetrics

if TYPE_CHECKING:
    from temper.models.heads import BuildCustom
    from temper.training.networks import Model


class TrainMember(Protocol):
    """Trains one member to the end, or loads it if it is finished."""

    def __call__(
        self, folder: Path, on_metrics: OnMetrics, seed: int, per_device_batch_size: int | None
    ) -> TrainingSession: ...


def train_soup(
    train: TrainMember,
    size: int,
    folder: Path,
    on_metrics: OnMetrics,
    seed: int,
    custom_class: "BuildCustom | None",
) -> "ModelSoup":
    """Train the members one after the other, average them, and evaluate the average.

    Args:
        train: trains one member.
        size: number of members.
        folder: gets a subfolder for each member.
        on_metrics: receives the members' metrics, with steps that continue from member to member.
        seed: the members' seeds are derived from it.
        custom_class: builds the network where `model.custom_class` names one.
    """
    members: list[TrainingSession] = []
    num_steps = 0
    for number in range(1, size + 1):
        print_once(f"training {number} of {size}")
        member_seed = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
        member_folder = folder / f"{folder.name}-{number}"
        member_folder.mkdir(parents=True, exist_ok=True)
        fitted = members[-1].setup.params.per_device_batch_size if members else None
        shifted = shift_steps(on_metrics, num_steps)
        members.append(train(member_folder, shifted, member_seed, fitted))
        members[-1].release_memory()
        num_steps += int(members[-1].history.train[-1]["step"])
    soup = ModelSoup(members)
    soup.average_members(custom_class)
    if soup.setup.validation is not None:
        print_once(f"the average of these {size}:")
        soup.evaluate(on_metrics)
    return soup


def print_once(message: str) -> None:
    """Print a message on the main process only."""
    if distributed.is_main_process():
        print(message)


def shift_steps(on_metrics: OnMetrics, num_steps: int) -> OnMetrics:
    """Add `num_steps` to each step that is passed to `on_metrics`."""
    return lambda prefix, metrics, step: on_metrics(prefix, metrics, num_steps + step)


class ModelSoup:
    """The members and their average, with the results that a `TrainingSession` has.

    Attributes:
        history: the members', one after the other; the last row, one step later, is the average's.
        model: the average, once `average_members` was called.
    """

    model: "Model"

    def __init__(self, members: Sequence[TrainingSession]):
        self.members, self.setup, self.args = members, members[-1].setup, members[-1].args
        self.history = History()
        for session in members:
            self.history.extend(session.history)

    def average_members(self, custom_class: "BuildCustom | None") -> None:
        """Write the mean of the members' weights to the last one's folder, and load it."""
        session = self.members[-1]
        with session.atomic_checkpoint_dir("soup") as partial:
            if self.args.should_save:
                sources = [path for member in self.members for path in member.averaged_sources()]
                averaging.average_weights(sources, partial)
        session.wait_for_checkpoints()
        (folder,) = self.averaged_sources()
        network = loading.load(folder, self.setup.task.auto_model, custom_class)
        self.model = network  # type: ignore[assignment]

    def evaluate(self, on_metrics: OnMetrics) -> None:
        """Add the validation metrics of the average to the history."""
        session, end = self.members[-1], self.history.train[-1]
        assert self.setup.validation is not None
        networks.move_to_xla(self.model, self.args.device)
        self.model.to(self.args.device)  # pyright: ignore[reportArgumentType]
        metrics = session.validator.compute_metrics(
            self.model, self.setup.validation, session.accelerator
        )
        step = int(end["step"]) + 1
        row = {"step": step, "epoch": end["epoch"]}
        self.history.validation.append(row | {k: rounded(v) for k, v in metrics.items()})
        on_metrics("validation", metrics, step)

    def averaged_sources(self) -> list[Path]:
        """Return the folder whose weights become data/model."""
        return [self.setup.folder / "soup"]

    def kept_checkpoints(self) -> dict[str, Path]:
        """Return each member's weights that `train.keep_checkpoints` selects, by their name."""
        return {
            f"member-{number}/{name}": path
            for number, member in enumerate(self.members, 1)
            for name, path in member.kept_checkpoints().items()
        }
