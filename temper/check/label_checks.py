"""Checks of the labels in the data against task.labels and the parameters that name labels."""

from collections import Counter

import numpy as np

from temper.check.findings import Findings
from temper.core.errors import alternatives
from temper.ingest import label_encoder, row_selection
from temper.ingest.label_encoder import LabelEncoder
from temper.ingest.split_stats import SplitStats
from temper.params import rules
from temper.params.schema import Params
from temper.params.task import TaskParams
from temper.training import best_metric

NUM_LABELS = 8


def check(
    parameters: Params, counts: dict[str, Counter[str]], findings: Findings
) -> LabelEncoder | None:
    """Report labels that are not allowed or cannot be learned, then parameters that name others.

    Returns:
        None where labels are reported, or the target has none.
    """
    task, files, before = parameters.task, parameters.data.files, len(findings.mistakes)
    allowed = task.classes or ()
    column = task.target[0] if task.target else ""
    for split, split_counts in counts.items():
        for name, count in unknown_labels(task, counts, split_counts).items():
            findings.add(
                "task.labels",
                f"{files[split]}, column {column!r}: {count:,} rows of {split} have the label "
                f"{name!r}{alternatives(name, allowed)}",
            )
    if len(findings.mistakes) > before or "train" not in counts:
        return None
    for split in counts:
        with findings.at(f"data.files.{split}", f"{files[split]}, column {column!r}: "):
            label_encoder.build_encoder(task, {"train": counts["train"], split: counts[split]})
    if len(findings.mistakes) == before:
        with findings.named("task.labels"):
            is_filtered = row_selection.filters_labels(parameters.data)
            label_encoder.check_rows(task, counts, labels_are_filtered=is_filtered)
        encoder = label_encoder.build_encoder(task, counts)
        names, ids = (encoder.names, encoder.ids) if encoder else ([], {})
        if label_encoder.are_label_ids(set().union(*counts.values()), task.classes):
            findings.facts["label ids"] = ", ".join(f"{i} → {n}" for i, n in enumerate(names))
        check_uses(parameters, {names[i]: counts["train"][raw] for raw, i in ids.items()}, findings)
        return encoder
    return None


def check_best_metric(
    parameters: Params,
    validation: SplitStats,
    rows: np.ndarray,
    encoder: LabelEncoder | None,
    findings: Findings,
) -> None:
    """Report a `train.metric_for_best_model` that says nothing on the rows of validation.

    Where it is cut from train, its numbers and sets of labels are known once train reads them.

    Args:
        validation: of the split that the rows are in.
    """
    metric, target_type = parameters.train.metric_for_best_model, parameters.task.target_type
    names = encoder.names if encoder else []
    if target_type == "class" and encoder:
        raw = validation.count_labels(rows)
        counts = {names[i]: raw[name] for name, i in encoder.ids.items() if raw[name]}
    elif target_type == "classes" and len(rows) == validation.num_rows:
        counts = validation.label_counts
    elif target_type == "number":
        counts = Counter(validation.numbers)
    else:
        return
    with findings.at(best_metric.KEY):
        positive = parameters.evaluate.positive_label
        positive = positive if positive in names else None  # any other is reported as such
        best_metric.check(metric, parameters.task.metrics, counts, len(rows), names, positive)


def check_uses(parameters: Params, counts: dict[str, int], findings: Findings) -> None:
    """Report parameters that name or count labels and do not match them.

    Args:
        parameters: `evaluate.positive_label` and `train.class_weights` among them.
        counts: rows of train by label name, in the order of ids.
    """
    names, empty = list(counts), [name for name, count in counts.items() if not count]
    if parameters.train.teachers:
        from temper.check import teacher_checks

        teacher_checks.check_labels(parameters, names, findings)
    for key, message in rules.label_conflicts(parameters, names):
        findings.add(key, message)
    if parameters.train.class_weights == "balanced" and empty:
        findings.add(
            "train.class_weights", f"balanced, but train has no rows of {', '.join(empty)}"
        )
    more = f" and {len(names) - NUM_LABELS} more" if len(names) > NUM_LABELS else ""
    listed = [f"{name} {counts[name]:,}" for name in names[:NUM_LABELS]]
    lines = [", ".join(listed) + more, *label_encoder.look_alikes(names)]
    findings.facts["labels"] = "\n".join(lines)


def unknown_labels(
    task: TaskParams, counts: dict[str, Counter[str]], split_counts: Counter[str]
) -> dict[str, int]:
    """Count a split's labels that `task.labels` does not allow.

    Without `task.labels` every label is allowed; where no split has a name, 0 … n-1 are ids.
    """
    everywhere = set().union(*counts.values())
    if task.classes is None or label_encoder.are_label_ids(everywhere, task.classes):
        return {}
    return {name: split_counts[name] for name in sorted(set(split_counts) - set(task.classes))}
