"""The `data.filter` group → the labels it keeps, and which rows pass it."""

from collections.abc import Collection, Mapping

import numpy as np

from temper.core.errors import InputError, nearest
from temper.ingest import labels
from temper.ingest.split_stats import SplitStats
from temper.params.data import FilterParams
from temper.params.task import TaskParams


def labels_to_keep(
    stats: Mapping[str, SplitStats], task: TaskParams, names: Collection[str] | None
) -> set[str] | None:
    """Translate `data.filter.labels` to the labels as the data writes them: names or ids.

    Raises:
        InputError: no split has such a label.
    """
    if names is None:
        return None
    in_data = {name for split_stats in stats.values() for name in split_stats.label_counts}
    known = labels.order_names(in_data, task.classes)
    for name in names:
        if name not in known:
            raise InputError(
                f"data.filter.labels: no row has the label {name!r}{nearest(name, known)}; "
                f"labels in the data: {', '.join(known[:20])}"
            )
    if labels.are_label_ids(in_data, task.classes):
        return {str(known.index(name)) for name in names}
    return set(names)


def filter_mask(
    stats: SplitStats, rows: np.ndarray, params: FilterParams, kept_labels: Collection[str] | None
) -> np.ndarray:
    """Return which of some rows pass the filter, (len(rows),).

    Args:
        stats: of the split the rows are in.
        rows: row numbers.
        params: `data.filter`.
        kept_labels: those of `labels_to_keep`; None: all.
    """
    mask = np.ones(len(rows), dtype=bool)
    lengths = np.frombuffer(stats.row_lengths, dtype=np.int64)
    if params.min_characters is not None:
        mask &= lengths[rows] >= params.min_characters
    if params.max_characters is not None:
        mask &= lengths[rows] <= params.max_characters
    if kept_labels is not None:
        ids = [i for name, i in stats.label_ids.items() if name in kept_labels]
        mask &= np.isin(np.frombuffer(stats.row_labels, dtype=np.int32)[rows], ids)
    return mask
