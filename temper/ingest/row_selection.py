"""Statistics of the source's splits and the `data` group → the rows of each split of data/raw.

In this order: missing test and validation splits, or a fold, are split off train; rows are
filtered; rows of train that another split also has are dropped; subsets are drawn.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np

from temper.core.errors import InputError, alternatives
from temper.ingest import label_encoder, splits
from temper.ingest.split_stats import SplitStats
from temper.params.data import DataParams
from temper.params.task import TaskParams

CREATED_SPLITS = ("validation", "test")  # split off train where the source lacks them


class SplitRows(NamedTuple):
    """The rows of one split of data/raw."""

    source: str  # the source's split they come from
    rows: np.ndarray  # row numbers there, ascending


Selection = dict[str, SplitRows]


def check_split_names(source: Collection[str], data: DataParams) -> None:
    """Check the splits that options name, before any row is read.

    Raises:
        InputError: a fold although the source has a validation split, or an unknown split name.
    """
    if data.fold is not None and "validation" in source:
        raise InputError(
            "data.fold: validation is made from train, but the data has a validation split; "
            "remove it from data.files (or data.hub.splits), or set data.fold to null"
        )
    created = [name for name in CREATED_SPLITS if getattr(data.split, name) > 0]
    created += ["validation"] if data.fold is not None else []
    known = list(dict.fromkeys([*source, *created]))
    options = {"data.subset": tuple(data.subset or ())}
    options["data.filter.applies_to"] = data.filter.applies_to if data.filter else ()
    for key, names in options.items():
        for name in names:
            if name not in known:
                raise InputError(f"{key}: no split {name!r}{alternatives(name, known)}")


def select_rows(
    stats: Mapping[str, SplitStats], task: TaskParams, data: DataParams
) -> tuple[Selection, dict[str, int]]:
    """Create missing splits and filter rows.

    Returns:
        The selection, and the number of rows the filter dropped by split.

    Raises:
        InputError: more folds than rows or groups, a group in both train and a given split, an
            unknown label in the filter, a filter that drops every row, or one that drops a label
            from some splits alone.
    """
    selection = _create_splits(stats, data)
    if data.filter is None:
        return selection, {}
    kept_labels = _labels_to_keep(stats, task, data.filter.labels)
    dropped = {}
    for split in data.filter.applies_to:
        source, rows = _get(selection, split, "data.filter.applies_to")
        records, ids = stats[source].records[rows], stats[source].label_ids
        mask = records["characters"] >= (data.filter.min_characters or 0)
        if data.filter.max_characters is not None:
            mask &= records["characters"] <= data.filter.max_characters
        if kept_labels is not None:
            mask &= np.isin(records["label"], [ids[name] for name in ids if name in kept_labels])
        if not mask.any():
            raise InputError(f"data.filter: drops all {len(rows)} rows of {split}")
        selection[split] = SplitRows(source, rows[mask])
        dropped[split] = int((~mask).sum())
    for split, (source, rows) in selection.items():
        counts = stats[source].count_labels(rows)
        names = sorted(set(counts) - (kept_labels or set(counts)))
        if names:
            raise InputError(
                f"data.filter.applies_to: {split} still has {sum(counts[n] for n in names)} rows "
                f"with labels that data.filter.labels drops ({', '.join(names[:10])}); add {split}"
            )
    return selection, dropped


def _get(selection: Selection, split: str, key: str) -> SplitRows:
    """Look up the rows of a split that an option names."""
    if split not in selection:
        raise InputError(f"{key}: train has too few rows to create a {split} split")
    return selection[split]


def _create_splits(stats: Mapping[str, SplitStats], data: DataParams) -> Selection:
    """Select all rows of the source; rows of missing splits are taken from train."""
    train, groups = stats["train"], None
    if data.split.group is not None:
        groups = np.unique(train.records["group"], return_inverse=True)[1].reshape(-1)
    for name, given in stats.items() if groups is not None else ():
        shared = np.intersect1d(train.records["group"], given.records["group"])
        if name != "train" and len(shared):
            raise InputError(
                f"data.split.group: {len(shared)} values of {data.split.group!r} are in both train "
                f"and {name}, which the source provides: move each group's rows to one of them, or "
                "set data.split.group to null"
            )
    selection = {name: SplitRows(name, np.arange(s.num_rows)) for name, s in stats.items()}
    missing = [name for name in CREATED_SPLITS if name not in stats]
    if not missing:
        return selection
    assigned = splits.assign_splits(train.strata, data.split, missing, groups)
    if data.fold is not None:  # test has the same rows as without folds
        validation = assigned.get("validation", np.array([], dtype=int))
        pool = np.sort(np.concatenate([assigned["train"], validation]))
        in_fold = _fold_mask(pool, train.strata, groups, data)
        assigned |= {"train": pool[~in_fold], "validation": pool[in_fold]}
    return selection | {name: SplitRows("train", rows) for name, rows in assigned.items()}


def _fold_mask(
    pool: np.ndarray, strata: np.ndarray, groups: np.ndarray | None, data: DataParams
) -> np.ndarray:
    """Return which rows of a pool are in the fold that becomes validation, (len(pool),)."""
    assert data.fold is not None
    pool_groups = None if groups is None else np.unique(groups[pool], return_inverse=True)[1]
    count = len(pool) if pool_groups is None else int(pool_groups.max(initial=-1)) + 1
    if count < data.fold.k:
        unit = "rows" if pool_groups is None else f"values of {data.split.group!r}"
        raise InputError(
            f"data.fold.k: {data.fold.k} folds, but train has {count} {unit}; use fewer folds"
        )
    folds = splits.assign_folds(strata[pool], data.fold.k, data.split.seed, pool_groups)
    return folds == data.fold.index


def _labels_to_keep(
    stats: Mapping[str, SplitStats], task: TaskParams, names: Collection[str] | None
) -> set[str] | None:
    """Translate `data.filter.labels` to the labels as the data writes them: names or ids."""
    if names is None:
        return None
    in_data = {name for split_stats in stats.values() for name in split_stats.label_counts}
    known = label_encoder.order_names(in_data, task.classes)
    for name in names:
        if name not in known:
            raise InputError(
                f"data.filter.labels: no row has the label {name!r}{alternatives(name, known)}"
            )
    are_ids = label_encoder.are_label_ids(in_data, task.classes)
    return {str(known.index(name)) for name in names} if are_ids else set(names)


def filters_labels(data: DataParams) -> bool:
    """Say whether `data.filter` drops labels."""
    return data.filter is not None and data.filter.labels is not None


def label_counts(
    stats: Mapping[str, SplitStats], selection: Selection, data: DataParams
) -> dict[str, Counter[str]]:
    """Count the labels of each split of the source, without the rows a label filter drops."""
    if not filters_labels(data):
        return {name: split_stats.label_counts for name, split_stats in stats.items()}
    counts = {name: Counter[str]() for name in stats}
    for source, rows in selection.values():
        counts[source].update(stats[source].count_labels(rows))
    return counts


def draw_subsets(
    stats: Mapping[str, SplitStats], selection: Selection, data: DataParams
) -> tuple[Selection, dict[str, dict[str, int]]]:
    """Draw the subsets of `data.subset`, stratified, in the rows' order.

    Returns:
        The selection, and by split the number of rows drawn (`rows`) out of how many (`of`).

    Raises:
        InputError: a subset is larger than its split, or train is left with a single label.
    """
    subset_sizes, selection = {}, dict(selection)
    for split, size in (data.subset or {}).items():
        source, rows = _get(selection, split, f"data.subset.{split}")
        count = size if isinstance(size, int) else max(int(size * len(rows) + 0.5), 1)
        if count > len(rows):
            raise InputError(f"data.subset.{split}: {count} rows, but {split} has only {len(rows)}")
        order = splits.rank_rows(stats[source].strata[rows], data.split.seed)
        selection[split] = SplitRows(source, rows[np.sort(order[:count])])
        subset_sizes[split] = {"rows": count, "of": len(rows)}
    _check_labels_left(stats, selection, data)
    return selection, subset_sizes


def _check_labels_left(
    stats: Mapping[str, SplitStats], selection: Selection, data: DataParams
) -> None:
    """Check that train has two labels after all rows are dropped, if it had them before."""
    source, rows = selection["train"]
    counts = stats[source].count_labels(rows)
    if len(stats[source].label_ids) < 2 or len(counts) > 1:
        return
    options = {
        "data.subset.train": "train" in (data.subset or {}),
        "data.overlap": data.overlap == "drop_from_train",
        "data.filter": data.filter is not None,
        "data.fold": data.fold is not None,
    }
    key = next((name for name, is_on in options.items() if is_on), "data.split")
    raise InputError(
        f"{key}: leaves train {len(rows)} row{'s' * (len(rows) > 1)}, all with the label "
        f"{next(iter(counts))}; two labels are needed: keep more rows"
    )
