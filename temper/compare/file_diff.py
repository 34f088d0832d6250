"""Describe how the outputs of a stage differ between two DVC caches, file by file."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from typing import Any

from temper.core import csv_file
from temper.evaluation.text_tables import truncate
from temper.repo import cache_path, cached_files, changed, hashes

MAX_FILES = 5
MAX_CHARACTERS = 60  # of a value
UNKNOWN = "differs; the old bytes are not in the cache (dvc pull)"


def differences(
    before: dict[str, Any], now: dict[str, Any], old_cache: Path, new_cache: Path
) -> list[str]:
    """Return a line for each file that differs; [] where all outputs are the same.

    Args:
        before: the stage in the committed dvc.lock.
        now: the stage in the rebuilt one.
        old_cache: that may have the committed bytes.
        new_cache: that has the rebuilt bytes.
    """
    old, new = hashes(before, "outs"), hashes(now, "outs")
    lines = []
    for out in changed(old, new):
        old_files = cached_files(old_cache, old.get(out))
        new_files = cached_files(new_cache, new.get(out))
        if old_files is None or new_files is None:
            lines.append(f"{out}: {UNKNOWN}")
            continue
        names = changed(old_files, new_files)
        for path, name in [(Path(out, name), name) for name in names[:MAX_FILES]]:
            if name in old_files and name in new_files:
                paths = (
                    cache_path(old_cache, old_files[name]),
                    cache_path(new_cache, new_files[name]),
                )
                lines.append(f"{path}: {describe(path.suffix, *paths)}")
            else:
                lines.append(f"{path}: {'added' if name in new_files else 'removed'}")
        if len(names) > MAX_FILES:
            lines.append(f"{out}: {len(names) - MAX_FILES} more files")
    return lines


def describe(suffix: str, before: Path, now: Path) -> str:
    """Describe how a file differs from its old version, by tensors, cells, keys or bytes."""
    if not before.exists():
        return UNKNOWN
    if suffix in (".safetensors", ".onnx"):
        load = safetensors if suffix == ".safetensors" else onnx_initializers
        return diff_tensors(load(before), load(now))
    if suffix in (".arrow", ".csv"):
        load_rows = arrow_rows if suffix == ".arrow" else csv_rows
        return diff_tables(load_rows(before), load_rows(now))
    if suffix == ".json":
        with suppress(ValueError):  # not JSON, or two values have the same dotted key
            return diff_json(json.loads(before.read_text()), json.loads(now.read_text()))
    return diff_bytes(before.read_bytes(), now.read_bytes())


Rows = tuple[list[str], Iterator[tuple]]  # of a table, with the names of its columns


def arrow_rows(path: Path) -> Rows:
    import pyarrow as pa

    reader = pa.ipc.open_stream(pa.memory_map(str(path)))
    batches = (zip(*batch.to_pydict().values(), strict=True) for batch in reader)
    return reader.schema.names, (row for batch in batches for row in batch)


def csv_rows(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as file:
        names, *rows = csv_file.reader(file)
    return names, map(tuple, rows)


def diff_tables(before: Rows, now: Rows) -> str:
    """Describe the differing columns, number of rows, or first differing cell."""
    (old_names, old_rows), (names, rows) = before, now
    if old_names != names:
        return f"columns {', '.join(old_names)} before, {', '.join(names)} now"
    first, differing, num_old, num_new = "", 0, 0, 0
    for index, (old, new) in enumerate(zip_longest(old_rows, rows)):
        num_old, num_new = num_old + (old is not None), num_new + (new is not None)
        differing += old != new
        if old != new and not first and old is not None and new is not None:
            column = next(i for i, (a, b) in enumerate(zip(old, new, strict=True)) if a != b)
            first = (
                f"first in row {index}, column {names[column]}: "
                f"{_text(old[column])} before, {_text(new[column])} now"
            )
    size = f"{num_old} rows" if num_old == num_new else f"{num_old} → {num_new} rows"
    return f"{differing} of {size} differ; {first}" if first else f"{size}; the common ones agree"


def safetensors(path: Path) -> Mapping[str, Any]:
    from safetensors.numpy import load

    return load(path.read_bytes())


def onnx_initializers(path: Path) -> Mapping[str, Any]:
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def diff_tensors(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Describe the first tensor that differs, by name, and the size of the difference."""
    import numpy as np

    if before.keys() != now.keys():
        return f"different tensors: {', '.join(sorted(before.keys() ^ now.keys())[:MAX_FILES])}"
    differing = [name for name in sorted(before) if not np.array_equal(before[name], now[name])]
    if not differing:
        return "same tensors; the rest of the file differs"
    name = differing[0]
    old, new = before[name], now[name]
    if old.shape != new.shape or old.dtype != new.dtype:
        size = f"{old.dtype} {old.shape} before, {new.dtype} {new.shape} now"
    else:
        distance = np.abs(old.astype(np.float64) - new.astype(np.float64)).max()
        size = f"by up to {distance:.3g}"
    return f"{len(differing)} of {len(before)} tensors differ, first {name} {size}"


def diff_json(before: Any, now: Any) -> str:
    """Name the first value that differs by its dotted key."""
    from flatten_dict import flatten  # as DVC names parameters

    old, new = (
        {str(key): value for key, value in flatten(tree, "dot", enumerate_types=(list,)).items()}
        for tree in (before, now)
    )
    keys = changed(old, new)
    if not keys:
        return "same values, different formatting"
    first, was, is_now = keys[0], _text(old.get(keys[0])), _text(new.get(keys[0]))
    return f"{len(keys)} values differ, first {first}: {was} before, {is_now} now"


def diff_bytes(before: bytes, now: bytes) -> str:
    """Name the first line or byte that differs."""
    pairs = enumerate(zip(before, now, strict=False))
    position = next((i for i, (a, b) in pairs if a != b), min(len(before), len(now)))
    size = f"{len(before)} bytes before, {len(now)} now"
    if b"\0" in before[:1000]:
        return f"{size}, from byte {position} on"
    line = before[:position].count(b"\n") + 1
    return f"{size}, from line {line} on"


def _text(value: Any) -> str:
    return truncate(repr(value), MAX_CHARACTERS)
