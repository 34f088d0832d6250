"""Trainings from the same weights → the mean of what each learned (Wortsman et al. 2022).

The members of a soup begin with the same weights, a new head's too; each has an order of the rows
and a dropout of its own. The mean costs no more to use than one model.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stages import models, processes
from stages.training import averaging, model
from stages.training.course import Course
from stages.training.history import History, rounded
from stages.training.job import Observer

Train = Callable[..., Course]  # of a folder, an observer, a seed, and what fits at once


def make(train: Train, size: int, folder: Path, observe: Observer, seed: int, own: Any) -> "Soup":
    """Train the members one after the other, average them, and score the mean.

    Args:
        train: trains to the end, or finds that it already is.
        size: number of members.
        folder: those of the members are made in it.
        observe: is told steps that count on from member to member.
        seed: theirs are drawn from it.
        own: builds the user's network, where `model.own` names one.
    """
    members: list[Course] = []
    steps, say = 0, print if processes.is_first() else lambda _: None
    for number in range(1, size + 1):
        say(f"training {number} of {size}")
        mine = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
        place = folder / f"{folder.name}-{number}"
        place.mkdir(parents=True, exist_ok=True)
        fits = members[-1].job.params.per_device_batch_size if members else None
        members.append(train(place, later(observe, steps), mine, fits))
        members[-1].release()
        steps += members[-1].history.train[-1]["step"]
    soup = Soup(members)
    soup.mix(own)
    if soup.job.validation is not None:
        say(f"the mean of these {size}:")
        soup.score(observe)
    return soup


def later(observe: Observer, steps: int) -> Observer:
    return lambda prefix, numbers, step: observe(prefix, numbers, steps + step)


class Soup:
    """The members and their mean, with what a course has for those who write the outputs.

    Attributes:
        history: the members', one after the other; last, one step later, what the mean scores.
        model: the mean, once it is mixed.
    """

    model: Any

    def __init__(self, members: Sequence[Course]):
        self.members, self.job, self.args = members, members[-1].job, members[-1].args
        self.history = History()
        for course in members:
            self.history.append(course.history)

    def mix(self, own: Any) -> None:
        """Write the mean of the members' weights beside the last one's, and load it."""
        with self.members[-1].published("soup") as partial:
            if self.args.should_save:
                sources = [path for course in self.members for path in course.sources()]
                averaging.mean(sources, partial)
        self.model = models.load(self.sources()[0], self.job.task.auto_model, own)

    def score(self, observe: Observer) -> None:
        """Add what the mean scores on validation to the history."""
        course, end = self.members[-1], self.history.train[-1]
        model.place(self.model, self.args.device)
        course.model = self.model.to(self.args.device)
        found = course.validation_scores(self.job.validation)
        row = {"step": end["step"] + 1, "epoch": end["epoch"]}
        self.history.validation.append(row | {k: rounded(v) for k, v in found.items()})
        observe("validation", found, row["step"])

    def sources(self) -> list[Path]:
        """Return the folder whose weights data/model is."""
        return [self.job.folder / "soup"]

    def kept(self) -> dict[str, Path]:
        """Return the weights that `train.keep` names, each member's, by their name."""
        return {
            f"member-{number}/{name}": path
            for number, course in enumerate(self.members, 1)
            for name, path in course.kept().items()
        }
