"""Metrics by step → data/history, and which of the saved weights are the best, averaged or kept.

The history is saved in each checkpoint, and all these decisions are functions of it, so a resumed
run decides exactly as an uninterrupted one.
"""

import csv
import math
from dataclasses import dataclass, field
from pathlib import Path

from temper.core import artifacts
from temper.params import user_code
from temper.params.train import TrainParams
from temper.tasks.base.arrays import significant
from temper.training.checkpoint import numbered_folders, step_of

FIRST_COLUMNS = ("step", "epoch", "loss")  # the others follow by name, resumed or not

Row = dict[str, float]


@dataclass
class History:
    """One row of metrics per optimizer step, one per evaluation.

    Attributes:
        params: how evaluations are ranked, which weights are kept, when to stop.
        greater_is_better: the direction of `params.metric_for_best_model`.
        untrained: step 0, scored on a part of validation; never the best, averaged or counted.
        stopped_by_callback: whether a custom callback ended training before its last step.
    """

    params: TrainParams = field(compare=False)
    greater_is_better: bool
    train: list[Row] = field(default_factory=list)
    validation: list[Row] = field(default_factory=list)
    untrained: Row | None = None
    stopped_by_callback: bool = False

    def load(self, folder: Path | None) -> None:
        """Take the rows of a checkpoint; those of no training for None."""
        saved = {} if folder is None else artifacts.read_json(folder / "history.json")
        self.train, self.validation = saved.get("train", []), saved.get("validation", [])
        self.untrained = saved.get("untrained")
        self.stopped_by_callback = saved.get("stopped_by_callback", False)

    def save(self, folder: Path) -> None:
        names = ("train", "validation", "untrained", "stopped_by_callback")
        artifacts.write_json(folder / "history.json", {name: getattr(self, name) for name in names})

    def write_csv(self, folder: Path) -> None:
        """Write train.csv and validation.csv; an empty one is left out."""
        validation = [*filter(None, [self.untrained]), *self.validation]
        for file_name, rows in (("train", self.train), ("validation", validation)):
            if rows:
                with (folder / f"{file_name}.csv").open("w", newline="", encoding="utf-8") as file:
                    names = set().union(*rows)  # a metric may be undefined on some rows
                    columns = [*FIRST_COLUMNS, *sorted(names - set(FIRST_COLUMNS))]
                    writer = csv.DictWriter(file, columns, lineterminator="\n")
                    writer.writeheader()
                    writer.writerows(rows)

    def extend(self, later: "History") -> None:
        """Append the rows of a later training run; steps and epochs continue from the last."""
        end = self.train[-1] if self.train else {"step": 0, "epoch": 0.0}
        for rows, new_rows in ((self.train, later.train), (self.validation, later.validation)):
            for row in new_rows:
                epoch = significant(end["epoch"] + row["epoch"])
                rows.append(row | {"step": end["step"] + row["step"], "epoch": epoch})

    def value(self, row: Row) -> float:
        """Return a row's `params.metric_for_best_model`, turned so that greater is better.

        NaN, which no number is greater than, becomes the worst; so does a metric that is not
        defined on what was predicted.
        """
        value = row.get(user_code.attribute_name(self.params.metric_for_best_model), math.nan)
        if math.isnan(value):
            return -math.inf
        return value if self.greater_is_better else -value

    def best_step(self) -> int | None:
        """Return the step of the best evaluation, the first of equals; None if there was none."""
        return int(max(self.validation, key=self.value)["step"]) if self.validation else None

    def averaged(self) -> list[Row]:
        """Return the evaluations whose weights are averaged; [] without checkpoint averaging."""
        averaging = self.params.weight_averaging
        if averaging is None or averaging.count is None:
            return []
        if averaging.kind == "last":
            return self.validation[-averaging.count :]
        return sorted(self.validation, key=self.value, reverse=True)[: averaging.count]

    def averaged_steps(self) -> list[int]:
        return [int(row["step"]) for row in self.averaged()]

    def should_stop_early(self) -> bool:
        """Check whether `patience` evaluations passed without one better by over `min_delta`."""
        early_stopping = self.params.early_stopping
        best, best_value = 0, -math.inf
        for index, row in enumerate(self.validation):
            if self.value(row) - best_value > early_stopping.min_delta:
                best, best_value = index, self.value(row)
        num_worse = len(self.validation) - 1 - best
        return 0 < early_stopping.patience <= num_worse

    def has_stopped(self) -> bool:
        """Check whether early stopping or a custom callback has ended the training."""
        return self.stopped_by_callback or self.should_stop_early()

    def model_sources(self, folder: Path) -> list[Path]:
        """Return the folders whose weights are averaged into data/model; mostly just the best."""
        averaged = [folder / f"scored-{step}" for step in self.averaged_steps()]
        return averaged or [self._best_folder(folder)]

    def kept_checkpoints(self, folder: Path) -> dict[str, Path]:
        """Return the weights that become data/checkpoints, by their name there."""
        keep = self.params.keep_checkpoints
        if keep == "all":
            names = [f"epoch-{n}" for n in range(1, int(self.train[-1]["epoch"]) + 1)]
            return {name: folder / name for name in names}
        return {keep: self._best_folder(folder) if keep == "best" else folder / keep}

    def _best_folder(self, folder: Path) -> Path:
        """Return the folder of the best weights, or of the last if nothing was evaluated."""
        step = self.best_step()
        return folder / ("last" if step is None else f"best-{step}")

    def needed_weights(
        self, folder: Path, steps_per_epoch: int, *, is_finished: bool
    ) -> dict[Path, int]:
        """Return the folders that data/model and data/checkpoints need, and their steps.

        A later best is written again in any case: the weights before it, which were deleted for
        it, are not needed.

        Args:
            is_finished: whether the training ends with this history.
        """
        step, needed = int(self.train[-1]["step"]), {}
        for path in (*self.model_sources(folder), *self.kept_checkpoints(folder).values()):
            if path.name == "last":
                needed |= {path: step} if is_finished else {}
            elif path.name.startswith("epoch"):
                needed[path] = step_of(path) * steps_per_epoch
            elif path.name.startswith("scored") or not any(
                step_of(later) > step for later in numbered_folders(folder, "best")
            ):
                needed[path] = step_of(path)
        return needed


def history_row(step: int, epoch: float, metrics: Row) -> Row:
    """Return a step's metrics as the history has them."""
    row = {"step": step, "epoch": significant(epoch)}
    return row | {name: significant(value) for name, value in metrics.items()}
