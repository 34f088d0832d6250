"""Metrics by step → data/history, and the decisions that follow from them.

The history is saved in each checkpoint. Which step is best and when to stop early are functions of
it, so a resumed run decides exactly as an uninterrupted one.
"""

import csv
from dataclasses import dataclass, field
from pathlib import Path

from temper.core import artifacts
from temper.params.train import EarlyStopping, WeightAveraging

DIGITS = 7  # significant; as many as an fp32 loss carries
FIRST_COLUMNS = ("step", "epoch", "loss")  # the others follow by name, resumed or not

Row = dict[str, float]


@dataclass
class History:
    """One row of metrics per optimizer step, one per evaluation.

    Attributes:
        stopped_by_callback: whether a custom callback ended training before its last step.
    """

    train: list[Row] = field(default_factory=list)
    validation: list[Row] = field(default_factory=list)
    stopped_by_callback: bool = False

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
                    columns = [*FIRST_COLUMNS, *sorted(rows[0].keys() - set(FIRST_COLUMNS))]
                    writer = csv.DictWriter(file, columns, lineterminator="\n")
                    writer.writeheader()
                    writer.writerows(rows)

    def extend(self, later: "History") -> None:
        """Append the rows of a later training run; steps and epochs continue from the last."""
        end = self.train[-1] if self.train else {"step": 0, "epoch": 0.0}
        for rows, new_rows in ((self.train, later.train), (self.validation, later.validation)):
            rows += [
                row
                | {"step": end["step"] + row["step"], "epoch": rounded(end["epoch"] + row["epoch"])}
                for row in new_rows
            ]

    def best(self, metric: str, *, greater_is_better: bool, min_delta: float = 0.0) -> int | None:
        """Return the index of the last evaluation that improved on the best by over `min_delta`."""
        best = None
        sign = 1 if greater_is_better else -1
        for index, row in enumerate(self.validation):
            if best is None or sign * (row[metric] - self.validation[best][metric]) > min_delta:
                best = index
        return best

    def selected(
        self, metric: str, averaging: WeightAveraging | None, *, greater_is_better: bool
    ) -> list[Row]:
        """Return the evaluations whose weights become data/model, or are averaged into it.

        Args:
            metric: ranks the evaluations; the earlier one wins a tie.
            averaging: of checkpoints; with `ema` each evaluation is already of the average.
            greater_is_better: whether a greater value of the metric is better.
        """
        sign = -1 if greater_is_better else 1
        ranked = sorted(self.validation, key=lambda row: (sign * row[metric], row["step"]))
        if averaging is None or averaging.kind == "ema":
            return ranked[:1]
        count = averaging.count
        assert count is not None  # WeightAveraging requires it
        return ranked[:count] if averaging.kind == "best" else self.validation[-count:]

    def should_stop_early(
        self, metric: str, early_stopping: EarlyStopping, *, greater_is_better: bool
    ) -> bool:
        """Check whether `patience` evaluations have passed without an improvement."""
        patience, min_delta = early_stopping.patience, early_stopping.min_delta
        best = self.best(metric, greater_is_better=greater_is_better, min_delta=min_delta)
        if not patience or best is None:
            return False
        return len(self.validation) - 1 - best >= patience


def rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
