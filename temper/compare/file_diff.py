"""Two versions of a stage's outputs, from two DVC caches → which file differs, and how."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

from temper.repo import changed, hashes

MOST_FILES = 5
SHOWN = 60  # characters of a value


def differences(
    before: dict[str, Any], now: dict[str, Any], old_cache: Path, new_cache: Path
) -> list[str]:
    """Return a line for each file that differs, none where all outputs are the same.

    Args:
        before: the stage in the committed dvc.lock.
        now: the stage in the rebuilt one.
        old_cache: where the committed bytes may be.
        new_cache: where the rebuilt bytes are.
    """
    old, new = hashes(before, "outs"), hashes(now, "outs")
    lines = []
    for path in changed(old, new):
        if path not in old or path not in new:
            lines.append(f"{path}: {'new' if path in new else 'gone'}")
            continue
        one, other = files(old_cache, old[path]), files(new_cache, new[path])
        if one is None or other is None:
            lines.append(f"{path}: other bytes; which ones is unknown without the old (dvc pull)")
            continue
        names = changed(one, other)
        for name in names[:MOST_FILES]:
            shown = f"{path}/{name}" if name else path
            if name not in one or name not in other:
                lines.append(f"{shown}: {'new' if name in other else 'gone'}")
            else:
                blobs = blob(old_cache, one[name]), blob(new_cache, other[name])
                lines.append(f"{shown}: {describe(Path(shown).suffix, *blobs)}")
        if len(names) > MOST_FILES:
            lines.append(f"{path}: {len(names) - MOST_FILES} more files")
    return lines


def files(cache: Path, md5: str) -> dict[str, str] | None:
    """Return the md5 of each file of an output by its path below it, or None if unknown."""
    if not blob(cache, md5).exists():
        return None
    if not md5.endswith(".dir"):
        return {"": md5}
    return {f["relpath"]: f["md5"] for f in json.loads(blob(cache, md5).read_text())}


def blob(cache: Path, md5: str) -> Path:
    """Return where DVC keeps the bytes with this hash."""
    return cache / "files/md5" / md5[:2] / md5[2:]


def describe(suffix: str, before: Path, now: Path) -> str:
    """Return how a file differs from its old version, in the terms of its kind."""
    if not before.exists():
        return "other bytes; the old ones are not in the cache (dvc pull)"
    if suffix in TENSORS:
        return of_tensors(TENSORS[suffix](before), TENSORS[suffix](now))
    if suffix in TABLES:
        return of_tables(TABLES[suffix](before), TABLES[suffix](now))
    if suffix == ".json":
        return of_mappings(*(flat(json.loads(path.read_text())) for path in (before, now)))
    return of_bytes(before.read_bytes(), now.read_bytes())


# -- tables ------------------------------------------------------------------------------------

Rows = tuple[list[str], Iterator[tuple]]


def arrow_rows(path: Path) -> Rows:
    import pyarrow as pa

    reader = pa.ipc.open_stream(pa.memory_map(str(path)))
    batches = (zip(*batch.to_pydict().values(), strict=True) for batch in reader)
    return reader.schema.names, (row for batch in batches for row in batch)


def csv_rows(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as file:
        names, *rows = csv.reader(file)
    return names, iter([tuple(row) for row in rows])


def of_tables(before: Rows, now: Rows) -> str:
    """Return the columns, the number of rows, or the first cell that differs."""
    (old_names, old_rows), (names, rows) = before, now
    if old_names != names:
        return f"columns {', '.join(old_names)} before, {', '.join(names)} now"
    first, differing, counts = "", 0, [0, 0]
    for index, (old, new) in enumerate(zip_longest(old_rows, rows)):
        counts = [counts[0] + (old is not None), counts[1] + (new is not None)]
        differing += old != new
        if old != new and not first and old is not None and new is not None:
            column = next(i for i, (a, b) in enumerate(zip(old, new, strict=True)) if a != b)
            first = (
                f"first in row {index}, column {names[column]}: "
                f"{short(old[column])} before, {short(new[column])} now"
            )
    size = f"{counts[0]} rows" if counts[0] == counts[1] else f"{counts[0]} → {counts[1]} rows"
    return f"{differing} of {size} differ; {first}" if first else f"{size}; the first ones agree"


# -- tensors -----------------------------------------------------------------------------------


def safetensors(path: Path) -> Mapping[str, Any]:
    from safetensors.numpy import load

    return load(path.read_bytes())


def onnx_initializers(path: Path) -> Mapping[str, Any]:
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def of_tensors(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return the first tensor that differs, by name, and the size of the difference."""
    import numpy as np

    if before.keys() != now.keys():
        return f"other tensors: {', '.join(sorted(before.keys() ^ now.keys())[:MOST_FILES])}"
    differing = [name for name in sorted(before) if not np.array_equal(before[name], now[name])]
    if not differing:
        return "the same tensors; the rest of the file differs"
    name = differing[0]
    one, other = before[name], now[name]
    if one.shape != other.shape or one.dtype != other.dtype:
        size = f"{one.dtype} {one.shape} before, {other.dtype} {other.shape} now"
    else:
        distance = np.abs(one.astype(np.float64) - other.astype(np.float64)).max()
        size = f"by up to {distance:.3g}"
    return f"{len(differing)} of {len(before)} tensors differ, first {name} {size}"


# -- anything else -----------------------------------------------------------------------------


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested JSON by dotted key."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    found: dict[str, Any] = {}
    for key, inner in pairs:
        name = f"{prefix}{key}"
        found |= flat(inner, f"{name}.") if isinstance(inner, dict | list) else {name: inner}
    return found


def of_mappings(before: dict[str, Any], now: dict[str, Any]) -> str:
    keys = changed(before, now)
    if not keys:
        return "the same values, written otherwise"
    key = keys[0]
    return (
        f"{len(keys)} values differ, first {key}: {short(before.get(key))} before, "
        f"{short(now.get(key))} now"
    )


def of_bytes(before: bytes, now: bytes) -> str:
    """Return the first line or byte that differs."""
    pairs = enumerate(zip(before, now, strict=False))
    place = next((i for i, (a, b) in pairs if a != b), min(len(before), len(now)))
    size = f"{len(before)} bytes before, {len(now)} now"
    if b"\0" in before[:1000]:
        return f"{size}, from byte {place} on"
    line = before[:place].count(b"\n") + 1
    return f"{size}, from line {line} on"


def short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


TENSORS: dict[str, Callable[[Path], Mapping[str, Any]]] = {
    ".safetensors": safetensors,
    ".onnx": onnx_initializers,
}
TABLES: dict[str, Callable[[Path], Rows]] = {".arrow": arrow_rows, ".csv": csv_rows}
