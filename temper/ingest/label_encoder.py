"""Label names of all splits → ids in a fixed order, and a row's names → its ids."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from temper.core.errors import InputError, alternatives
from temper.params.task import TaskParams

if TYPE_CHECKING:
    from datasets import ClassLabel, List


def order_names(names: Iterable[str], given: Sequence[str] | None) -> list[str]:
    """Put label names in the order of their ids.

    Args:
        given: the order, if params.yaml fixes it. Otherwise numbers come in numeric order ("2"
            before "10") and other names sorted.
    """
    if given is not None:
        return list(given)
    unique = sorted(set(names))
    are_numbers = all(name.removeprefix("-").isdecimal() for name in unique)
    return sorted(unique, key=int if are_numbers else None)


@dataclass(frozen=True, kw_only=True)
class LabelEncoder:
    """Encodes label names as ids."""

    value_type: str  # class, classes or tags
    names: list[str]  # in the order of ids
    ids: dict[str, int]  # by the names, or positions, that the data holds

    def encode(self, rows: Iterable[Sequence[str] | None]) -> list[Any]:
        """Encode each row's label names as an id or as a list of ids; none as -1 or None."""
        if self.value_type == "class":
            return [self.ids[names[0]] if names else -1 for names in rows]
        ids = [None if names is None else [self.ids[name] for name in names] for names in rows]
        if self.value_type == "classes":
            return [row and sorted(set(row)) for row in ids]
        return ids

    def column_type(self) -> "ClassLabel | List":
        """Return the `datasets` type of the encoded column."""
        from datasets import ClassLabel, List

        feature = ClassLabel(names=self.names)
        return feature if self.value_type == "class" else List(feature)


def are_label_ids(names: Collection[str], given: Sequence[str] | None) -> bool:
    """Check whether the data's labels are positions in the given names, 0 … n-1, not names."""
    if given is None or set(names) & set(given):
        return False
    return set(names) <= {str(i) for i in range(len(given))}


def build_encoder(task: TaskParams, counts: Mapping[str, Counter[str]]) -> LabelEncoder | None:
    """Fix the order of the labels, from the parameters or from the labels of all splits.

    Args:
        counts: split → rows by label name.

    Returns:
        None where the target has no label names.

    Raises:
        InputError: `task.labels` lacks a label of the data, train lacks a label of another split,
            or there are fewer than two labels.
    """
    if task.target is None or not task.has_label_names:
        return None
    all_names = set().union(*counts.values())
    names = order_names(all_names, task.classes)
    are_ids = are_label_ids(all_names, task.classes)
    ids = {str(i) if are_ids else name: i for i, name in enumerate(names)}
    for split, label_counts in counts.items():
        for name in sorted(set(label_counts) - set(ids)):
            raise InputError(
                f"{split}: {label_counts[name]} rows have the label {name!r}, which task.labels "
                f"lacks{alternatives(name, names)}"
            )
        unseen = sorted(set(label_counts) - set(counts["train"]))
        if unseen and split != "train":
            listed = ", ".join(f"{name} {label_counts[name]:,}" for name in unseen[:10])
            raise InputError(
                f"{split} has labels that train lacks, so they cannot be learned: {listed}; move "
                "rows of them to train, or remove them"
            )
    if len(names) < 2 and task.target[1] != "classes":
        raise InputError(f"train has {len(names)} label ({', '.join(names)}); two are needed")
    return LabelEncoder(value_type=task.target[1], names=names, ids=ids)


def look_alikes(names: Iterable[str]) -> list[str]:
    """Say which labels differ in case and white space alone; a label may be written in two ways."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(" ".join(name.casefold().split()), []).append(name)
    return [
        f"the labels {', '.join(map(repr, group))} differ in case and white space alone"
        for group in groups.values()
        if len(group) > 1
    ]


def check_rows(
    task: TaskParams, counts: Mapping[str, Counter[str]], *, labels_are_filtered: bool
) -> None:
    """Check that train has rows of every label that params.yaml names.

    Tags may be absent, and so may those that a filter drops where labels are positions in the list.

    Raises:
        InputError: train lacks one.
    """
    names = task.classes
    if task.has_label_probabilities:  # a label is learned that is nowhere the likeliest
        return
    if names is None or task.target_type not in ("class", "classes"):
        return
    are_ids = are_label_ids(set().union(*counts.values()), names)
    if are_ids and labels_are_filtered:
        return
    rows = {name: counts["train"][str(i) if are_ids else name] for i, name in enumerate(names)}
    empty = [name for name, count in rows.items() if not count]
    if empty:
        key = "task.label" if len(task.label_columns) > 1 else "task.labels"
        listed = ", ".join(f"{name} {count:,}" for name, count in list(rows.items())[:20])
        raise InputError(
            f"{key}: no row of train has the label {', '.join(empty[:10])}, so it cannot be "
            f"learned; remove it, or add rows (rows by label: {listed})"
        )
