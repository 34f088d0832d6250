"""The facts of the first pass and `data` → which rows of the source each split is made of.

In this order: a missing test and validation, or a fold, are cut from train; rows are filtered; rows
of train that stand elsewhere are dropped; a subset is taken.
"""

from collections import Counter
from collections.abc import Collection, Mapping

import numpy as np

from temper.core.errors import InputError, nearest
from temper.ingest import labels, splits
from temper.ingest.split_stats import SplitStats
from temper.params.data import DataParams
from temper.params.task import TaskParams

Selection = dict[
    str, tuple[str, np.ndarray]
]  # split → the source's split, its row numbers in order
CUT = ("validation", "test")


def check_split_names(source: Collection[str], data: DataParams) -> None:
    """Refuse, before a row is read, options about splits that there are not.

    Args:
        source: splits that the files or the Hub have.
        data: the options.

    Raises:
        InputError: a fold beside a validation split, or a split's name that none has.
    """
    if data.fold is not None and "validation" in source:
        raise InputError(
            "data.fold: validation is made from train, but the data has a validation split; "
            "remove it from data.files (or data.hub.splits), or set data.fold to null"
        )
    cut = [name for name in CUT if getattr(data.split, name) > 0]
    cut += ["validation"] if data.fold is not None else []
    there = list(dict.fromkeys([*source, *cut]))
    named = {"data.subset": data.subset or ()}
    named |= {"data.filter.applies_to": data.filter.applies_to if data.filter else ()}
    for key, names in named.items():
        for name in names:
            if name not in there:
                raise InputError(
                    f"{key}: no split {name!r}{nearest(name, there)}; there are {', '.join(there)}"
                )


def select_rows(
    stats: Mapping[str, SplitStats], task: TaskParams, data: DataParams
) -> tuple[Selection, dict]:
    """Return the rows of each split, cut and filtered, and how many the filter dropped by split.

    Raises:
        InputError: fewer rows or groups than folds, a label to keep that there is not, or a filter
            that leaves nothing.
    """
    rows = cut(stats, data)
    if data.filter is None:
        return rows, {}
    wanted = labels_to_keep(stats, task, data.filter.labels)
    dropped = {}
    for split in data.filter.applies_to:
        if split not in rows:
            raise InputError(f"data.filter.applies_to: {split} could not be cut from train")
        origin, chosen = rows[split]
        kept = chosen[passes(stats[origin], chosen, data, wanted)]
        if not len(kept):
            raise InputError(f"data.filter: none of the {len(chosen)} rows of {split} is left")
        rows[split], dropped[split] = (origin, kept), len(chosen) - len(kept)
    if wanted is not None:
        check_left_out(stats, rows, wanted)
    return rows, dropped


def cut(stats: Mapping[str, SplitStats], data: DataParams) -> Selection:
    """Return each split's origin and row numbers; missing ones come from train.

    Raises:
        InputError: fewer rows or groups than folds, or a group in train and a given split.
    """
    rows: Selection = {name: (name, np.arange(found.rows)) for name, found in stats.items()}
    check_groups(stats, data)
    missing = [name for name in CUT if name not in stats]
    if not missing:
        return rows
    strata = stats["train"].strata
    groups = stats["train"].groups if data.split.group is not None else None
    found = splits.assign_splits(strata, data.split, missing, groups)
    if data.fold is not None:  # test is that of a run without folds
        pool = np.sort(
            np.concatenate([found["train"], found.get("validation", found["train"][:0])])
        )
        inside = held_out(pool, strata, groups, data)
        found |= {"train": pool[~inside], "validation": pool[inside]}
    return rows | {name: ("train", chosen) for name, chosen in found.items()}


def check_groups(stats: Mapping[str, SplitStats], data: DataParams) -> None:
    """Refuse a group of train that also stands in a split of its own, where that has the column."""
    of_train = splits.as_keys(stats["train"].row_groups)
    for name, found in stats.items():
        shared = np.intersect1d(of_train, splits.as_keys(found.row_groups))
        if name != "train" and len(shared):
            raise InputError(
                f"data.split.group: {len(shared)} values of {data.split.group!r} are in train and "
                f"in {name}, which is given: give the files other rows, or set it to null"
            )


def held_out(
    pool: np.ndarray, strata: np.ndarray, groups: np.ndarray | None, data: DataParams
) -> np.ndarray:
    """Return which rows of a pool are the fold that becomes validation.

    Raises:
        InputError: there are fewer rows or groups than folds.
    """
    assert data.fold is not None
    within = None if groups is None else np.unique(groups[pool], return_inverse=True)[1]
    count = len(pool) if within is None else int(within.max(initial=-1)) + 1
    if count < data.fold.k:
        what = "rows of train" if within is None else f"values of {data.split.group!r}"
        raise InputError(f"data.fold.k: {data.fold.k} folds of {count} {what}; take fewer")
    folds = splits.assign_folds(strata[pool], data.fold.k, data.split.seed, within)
    return folds == data.fold.index


def labels_to_keep(
    stats: Mapping[str, SplitStats], task: TaskParams, wanted: Collection[str] | None
) -> set[str] | None:
    """Return the labels of `data.filter.labels` as the data writes them.

    Raises:
        InputError: no split has such a label.
    """
    if wanted is None:
        return None
    found = {name for one in stats.values() for name in one.counts}
    names = labels.order_names(found, task.classes)
    for name in wanted:
        if name not in names:
            raise InputError(
                f"data.filter.labels: no row has the label {name!r}{nearest(name, names)}; "
                f"there are {', '.join(names[:20])}"
            )
    if labels.are_label_ids(found, task.classes):
        return {str(names.index(name)) for name in wanted}
    return set(wanted)


def passes(
    stats: SplitStats, chosen: np.ndarray, data: DataParams, wanted: Collection[str] | None
) -> np.ndarray:
    """Return which of the chosen rows the filter lets pass."""
    assert data.filter is not None
    kept = np.ones(len(chosen), dtype=bool)
    lengths = np.frombuffer(stats.row_lengths, dtype=np.int64)
    if data.filter.min_characters is not None:
        kept &= lengths[chosen] >= data.filter.min_characters
    if data.filter.max_characters is not None:
        kept &= lengths[chosen] <= data.filter.max_characters
    if wanted is not None:
        ids = [i for name, i in stats.ids.items() if name in wanted]
        kept &= np.isin(np.frombuffer(stats.row_labels, dtype=np.int32)[chosen], ids)
    return kept


def check_left_out(
    stats: Mapping[str, SplitStats], rows: Selection, wanted: Collection[str]
) -> None:
    """Refuse a split that still has labels which the filter takes from another."""
    for split, (origin, chosen) in rows.items():
        left = counts_of(stats[origin], chosen)
        others = sorted(set(left) - set(wanted))
        if others:
            raise InputError(
                f"data.filter.applies_to: {split} still has {sum(left[n] for n in others)} rows "
                f"whose labels data.filter.labels leaves out ({', '.join(others[:10])}); "
                f"add {split}"
            )


def counts_of(stats: SplitStats, chosen: np.ndarray) -> Counter[str]:
    """Return how many of some rows have each label; only those that occur."""
    ids = np.frombuffer(stats.row_labels, dtype=np.int32)[chosen]
    counts = np.bincount(ids[ids >= 0], minlength=len(stats.ids))
    return Counter({name: int(counts[i]) for name, i in stats.ids.items() if counts[i]})


def label_counts(
    stats: Mapping[str, SplitStats], rows: Selection, data: DataParams
) -> dict[str, Counter[str]]:
    """Return the labels of each split of the source, without those that a filter leaves out."""
    counts = {name: found.counts for name, found in stats.items()}
    if data.filter is None or data.filter.labels is None:
        return counts
    kept = {name: Counter() for name in stats}
    for origin, chosen in rows.values():
        kept[origin].update(counts_of(stats[origin], chosen))
    return kept


def resolve_overlap(
    stats: Mapping[str, SplitStats], rows: Selection, rule: str
) -> tuple[dict[str, int], np.ndarray]:
    """Return how many rows each pair of splits shares, and the positions in train to drop.

    Raises:
        InputError: the rule is `error` and a row stands in two splits.
    """
    keys = {name: stats[origin].keys[chosen] for name, (origin, chosen) in rows.items()}
    common = splits.count_overlaps(keys)
    if rule == "error" and any(common.values()):
        found = ", ".join(f"{n} rows of {pair}" for pair, n in common.items() if n)
        raise InputError(
            f"{found}; data.overlap is error: remove them, or set drop_from_train or report"
        )
    if rule != "drop_from_train" or len(keys) < 2:
        return common, np.array([], dtype=int)
    train = keys.pop("train")
    return common, np.flatnonzero(splits.is_in(train, np.concatenate(list(keys.values()))))


def draw_subsets(
    stats: Mapping[str, SplitStats], rows: Selection, data: DataParams
) -> tuple[Selection, dict]:
    """Return the rows that `data.subset` leaves, in their old order, and its numbers by split.

    Raises:
        InputError: more rows are asked for than there are.
    """
    taken, rows = {}, dict(rows)
    for split, size in (data.subset or {}).items():
        if split not in rows:
            raise InputError(f"data.subset.{split}: {split} could not be cut from train")
        origin, chosen = rows[split]
        count = size if isinstance(size, int) else max(int(size * len(chosen) + 0.5), 1)
        if count > len(chosen):
            raise InputError(f"data.subset.{split}: {count}, but {split} has {len(chosen)} rows")
        ranked = splits.rank_rows(stats[origin].strata[chosen], data.split.seed)
        rows[split] = (origin, chosen[np.sort(ranked[:count])])
        taken[split] = {"rows": count, "of": len(chosen)}
    return rows, taken
