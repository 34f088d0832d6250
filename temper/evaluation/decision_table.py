"""A decision rule and the scores of validation and test → the table that says what it does.

decisions.json has it; the report, the model card and `temper summary` show it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from temper.core import artifacts
from temper.evaluation.found_rule import FoundRule
from temper.evaluation.text_tables import Table
from temper.tasks.base.decisions import DecisionRule

FILE = "decisions.json"
HEAD = ["decision", "score", "validation", "test"]
TEMPERATURE = {
    "log_loss": "log loss",
    "log_loss_unscaled": "log loss without it",
    "calibration_error": "calibration error",
    "calibration_error_unscaled": "calibration error without it",
}
POINT = {
    "operating_precision": "precision",
    "operating_recall": "recall",
    "operating_false_positive_rate": "false positive rate",
}
ANSWERS = {
    "coverage": "rows answered",
    "selective_accuracy": "their accuracy",
    "accuracy": "accuracy of all rows",
    "aurc": "AURC",
}

SplitScores = Mapping[str, Mapping[str, float]]  # split → the scores in metrics.json


def write(target: Path, found: FoundRule, label_names: Sequence[str], scores: SplitScores) -> None:
    """Write and print what was found: decisions.json has what an export decides by, what was out of
    reach, and the table.
    """
    content = {
        "evaluate": found.settings,
        "unreached": found.unreached,
        "table": rows(found.rule, label_names, scores),
    }
    artifacts.write_json(target / FILE, content)
    for note in found.notes:
        print(note)


def read(folder: Path) -> dict[str, Any]:
    """Return a folder's decisions.json, empty where there is none."""
    return artifacts.read_optional_json(folder / FILE) or {}


def text_table(decisions: Mapping[str, Any]) -> Table:
    """Return the table of a decisions.json with a column less, which fits a terminal."""
    lines = [
        [f"{what}: {name}" if what else f"… {name}", *scores]
        for what, name, *scores in decisions["table"]
    ]
    return Table("decisions, found on validation", ["decision: score", *HEAD[2:]], lines)


def write_thresholds(target: Path, rule: DecisionRule, label_names: Sequence[str]) -> None:
    """Write thresholds.json, the tuned threshold of each of several labels."""
    by_label = zip(label_names, np.atleast_1d(rule.threshold), strict=True)
    rounded = {name: round(float(threshold), 4) for name, threshold in by_label}
    artifacts.write_json(target / "thresholds.json", rounded)


def rows(rule: DecisionRule, label_names: Sequence[str], scores: SplitScores) -> list[list[str]]:
    """Return lines of `HEAD`; in a line of the decision above, the first cell is empty."""
    lines = []
    if rule.temperature != 1:
        lines += _section(f"temperature {rule.temperature:g}", TEMPERATURE, scores)
    if rule.point is not None:
        label, threshold = rule.point
        what = f"{label_names[label]} ≥ {threshold:.4g}"
        lines += _section(what, POINT, scores)
    if rule.min_confidence is not None:
        what = f"confidence ≥ {rule.min_confidence:.4g}"
        lines += _section(what, ANSWERS, scores)
    return lines


def _section(what: str, names: Mapping[str, str], scores: SplitScores) -> list[list[str]]:
    """Return a line per score: its value on validation, and on test with its interval."""

    def number(by_name: Mapping[str, float], key: str) -> str:
        return f"{by_name[key]:.3f}" if key in by_name else ""

    def with_interval(by_name: Mapping[str, float], metric: str) -> str:
        low, high = (number(by_name, f"{metric}_{end}") for end in ("low", "high"))
        return number(by_name, metric) + (f" ({low} to {high})" if low else "")

    validation, test = scores.get("validation", {}), scores.get("test", {})
    cells = [
        [name, number(validation, metric), with_interval(test, metric)]
        for metric, name in names.items()
        if metric in validation or metric in test
    ]
    return [["" if i else what, *line] for i, line in enumerate(cells)]
