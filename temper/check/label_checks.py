"""The labels that were counted → those that are not allowed, and parameters that need others."""

from collections import Counter

from temper.check.findings import Findings
from temper.core.errors import nearest
from temper.ingest import labels
from temper.params.schema import Params
from temper.params.task import TaskParams

LABELS_SHOWN = 8


def check(parameters: Params, counts: dict[str, Counter[str]], findings: Findings) -> None:
    """Note labels that are not allowed or cannot be learned, then what needs their names."""
    task, files, before = parameters.task, parameters.data.files, len(findings.mistakes)
    given = task.classes or ()
    column = task.target[0] if task.target else ""
    for split, found in counts.items():
        for name, count in unknown(task, counts, found).items():
            findings.add(
                "task.labels",
                f"{files[split]}, column {column!r}: {count:,} rows of {split} have the label "
                f"{name!r}{nearest(name, given)}; allowed: {', '.join(given)}",
            )
    if len(findings.mistakes) > before or "train" not in counts:
        return
    for split in counts:
        with findings.at(f"data.files.{split}", f"{files[split]}, column {column!r}: "):
            labels.build_encoder(task, {"train": counts["train"], split: counts[split]})
    if len(findings.mistakes) == before:
        encoder = labels.build_encoder(task, counts)
        names = encoder.names or []
        check_uses(
            parameters, {names[i]: counts["train"][raw] for raw, i in encoder.ids.items()}, findings
        )


def check_uses(parameters: Params, counts: dict[str, int], findings: Findings) -> None:
    """Note parameters about single labels that do not fit them.

    Args:
        parameters: `evaluate.positive_label` and `train.class_weights` among them.
        counts: rows of train by label name, in the order of ids.
        findings: takes the mistakes, and the labels as a fact.
    """
    positive, weights = parameters.evaluate.positive_label, parameters.train.class_weights
    single = parameters.task.metrics == "classification"
    names, empty = list(counts), [name for name, count in counts.items() if not count]
    if single and len(names) == 2 and positive is None:
        findings.add(
            "evaluate.positive_label",
            "null, but the F1 of two labels is ambiguous; say which one it is about: "
            f"{' or '.join(names)}",
        )
    if single and positive is not None and positive not in names:
        findings.add(
            "evaluate.positive_label",
            f"{positive!r} is no label of the data{nearest(positive, names)}; it has "
            f"{', '.join(names)}",
        )
    if isinstance(weights, tuple) and len(weights) != len(names):
        findings.add(
            "train.class_weights",
            f"{len(weights)} numbers for {len(names)} labels ({', '.join(names)})",
        )
    if weights == "balanced" and empty:
        findings.add("train.class_weights", f"balanced, but train has no row of {', '.join(empty)}")
    more = f" and {len(names) - LABELS_SHOWN} more" if len(names) > LABELS_SHOWN else ""
    shown = [f"{name} {counts[name]:,}" for name in names[:LABELS_SHOWN]]
    findings.facts["labels"] = ", ".join(shown) + more


def unknown(
    task: TaskParams, counts: dict[str, Counter[str]], found: Counter[str]
) -> dict[str, int]:
    """Return the labels of a split that `task.labels` does not allow, with their counts.

    Without `task.labels` all are; 0 … n-1 stand for names where no split holds a name.
    """
    if task.classes is None:
        return {}
    everywhere = set().union(*counts.values())
    ids = {str(i) for i in range(len(task.classes))}
    if everywhere <= ids and not everywhere & set(task.classes):
        return {}
    return {name: found[name] for name in sorted(set(found) - set(task.classes))}
