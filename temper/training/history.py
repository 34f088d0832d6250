"""Losses and scores by step → data/history, and the decisions that follow from them.

The history travels inside each checkpoint, and which step is best and whether to stop early are
functions of it, so a resumed run decides as an uninterrupted one (FACTS 42).
"""

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temper.core import artifacts
from temper.params.train import EarlyStopping, WeightAveraging

DIGITS = 7  # significant; what fp32 losses carry
FIRST = ("step", "epoch", "loss")  # columns; the others follow by name, resumed or not


@dataclass
class History:
    """Rows of numbers: one per optimizer step, one per evaluation.

    Attributes:
        ended: whether a callback of the user's ended the training before its last step.
    """

    train: list[dict[str, Any]] = field(default_factory=list)
    validation: list[dict[str, Any]] = field(default_factory=list)
    ended: bool = False

    @classmethod
    def load(cls, path: Path) -> "History":
        return cls(**artifacts.read_json(path))

    def save(self, path: Path) -> None:
        artifacts.write_json(path, vars(self))

    def write_csv(self, folder: Path) -> None:
        """Write train.csv and validation.csv; an empty one is left out."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in (("train", self.train), ("validation", self.validation)):
            if rows:
                with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
                    names = [*FIRST, *sorted(rows[0].keys() - set(FIRST))]
                    writer = csv.DictWriter(file, names, lineterminator="\n")
                    writer.writeheader()
                    writer.writerows(rows)

    def append(self, other: "History") -> None:
        """Add another training's rows; steps and epochs count on."""
        end = self.train[-1] if self.train else {"step": 0, "epoch": 0.0}
        for mine, rows in ((self.train, other.train), (self.validation, other.validation)):
            mine += [
                row
                | {"step": end["step"] + row["step"], "epoch": rounded(end["epoch"] + row["epoch"])}
                for row in rows
            ]

    def best(self, metric: str, *, greater: bool, min_delta: float = 0.0) -> int | None:
        """Return the index of the best evaluation: the last that gained more than `min_delta`."""
        best = None
        for index, row in enumerate(self.validation):
            sign = 1 if greater else -1
            if best is None or sign * (row[metric] - self.validation[best][metric]) > min_delta:
                best = index
        return best

    def kept(
        self, metric: str, rule: WeightAveraging | None, *, greater: bool
    ) -> list[dict[str, Any]]:
        """Return the evaluations whose weights data/model is, or is the mean of.

        Args:
            metric: what the best is by; of equals the first is best.
            rule: of averaging checkpoints; a moving average is one model, the best of its own.
            greater: whether more of the metric is better.
        """
        sign = -1 if greater else 1
        ranked = sorted(self.validation, key=lambda row: (sign * row[metric], row["step"]))
        if rule is None or rule.kind == "ema":
            return ranked[:1]
        assert rule.count is not None  # as WeightAveraging sees to
        return ranked[: rule.count] if rule.kind == "best" else self.validation[-rule.count :]

    def is_stopped(self, metric: str, *, greater: bool, rule: EarlyStopping) -> bool:
        """Tell whether `patience` evaluations have passed since the last gain."""
        best = self.best(metric, greater=greater, min_delta=rule.min_delta)
        if not rule.patience or best is None:
            return False
        return len(self.validation) - 1 - best >= rule.patience


def rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
