"""Trainings from the same weights → the mean of what each learned (Wortsman et al. 2022).

The members of a soup begin with the same weights, a new head's too; each has an order of the rows
and a dropout of its own. The mean costs no more to use than one model.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from temper.models import loading
from temper.training import averaging, distributed, networks
from temper.training.history import History, rounded
from temper.training.session import TrainingSession
from temper.training.setup import OnMetrics

Train = Callable[..., TrainingSession]  # of a folder, an observer, a seed, and what fits at once


def train_soup(
    train: Train, size: int, folder: Path, on_metrics: OnMetrics, seed: int, own: Any
) -> "Soup":
    """Train the members one after the other, average them, and score the mean.

    Args:
        train: trains to the end, or finds that it already is.
        size: number of members.
        folder: those of the members are made in it.
        observe: is told steps that count on from member to member.
        seed: theirs are drawn from it.
        own: builds the user's network, where `model.custom_class` names one.
    """
    members: list[TrainingSession] = []
    steps, say = 0, print if distributed.is_first() else lambda _: None
    for number in range(1, size + 1):
        say(f"training {number} of {size}")
        mine = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
        place = folder / f"{folder.name}-{number}"
        place.mkdir(parents=True, exist_ok=True)
        fits = members[-1].setup.params.per_device_batch_size if members else None
        members.append(train(place, later(on_metrics, steps), mine, fits))
        members[-1].release()
        steps += members[-1].history.train[-1]["step"]
    soup = Soup(members)
    soup.mix(own)
    if soup.setup.validation is not None:
        say(f"the mean of these {size}:")
        soup.score(on_metrics)
    return soup


def later(on_metrics: OnMetrics, steps: int) -> OnMetrics:
    return lambda prefix, numbers, step: on_metrics(prefix, numbers, steps + step)


class Soup:
    """The members and their mean, with what a course has for those who write the outputs.

    Attributes:
        history: the members', one after the other; last, one step later, what the mean scores.
        model: the mean, once it is mixed.
    """

    model: Any

    def __init__(self, members: Sequence[TrainingSession]):
        self.members, self.setup, self.args = members, members[-1].setup, members[-1].args
        self.history = History()
        for session in members:
            self.history.append(session.history)

    def mix(self, own: Any) -> None:
        """Write the mean of the members' weights beside the last one's, and load it."""
        with self.members[-1].atomic_checkpoint_dir("soup") as partial:
            if self.args.should_save:
                sources = [path for session in self.members for path in session.sources()]
                averaging.mean(sources, partial)
        self.model = loading.load(self.sources()[0], self.setup.task.auto_model, own)

    def score(self, on_metrics: OnMetrics) -> None:
        """Add what the mean scores on validation to the history."""
        session, end = self.members[-1], self.history.train[-1]
        networks.place(self.model, self.args.device)
        session.model = self.model.to(self.args.device)
        found = session.validation_scores(self.setup.validation)
        row = {"step": end["step"] + 1, "epoch": end["epoch"]}
        self.history.validation.append(row | {k: rounded(v) for k, v in found.items()})
        on_metrics("validation", found, row["step"])

    def sources(self) -> list[Path]:
        """Return the folder whose weights data/model is."""
        return [self.setup.folder / "soup"]

    def kept(self) -> dict[str, Path]:
        """Return the weights that `train.keep_checkpoints` names, each member's, by their name."""
        return {
            f"member-{number}/{name}": path
            for number, session in enumerate(self.members, 1)
            for name, path in session.kept().items()
        }
