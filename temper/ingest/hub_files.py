"""Batches whose cells hold or name files, as on the Hub → batches of few bytes, files included.

A repository of image or WAV files has names alone in its rows; one of Parquet has mostly bytes.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from temper.core import arrow
from temper.core.errors import InputError
from temper.ingest.columns import ColumnBatch, num_rows
from temper.ingest.file_names import read_bounded

ARCHIVES = [(name, "://") for name in ("zip", "gzip", "bz2", "xz", "lz4", "zstd")]


def take_clips_as_they_are() -> None:
    """Let `datasets` store a clip's bytes or name: it asks for torchcodec, which would encode."""
    from datasets import Audio

    feature: Any = Audio
    feature.encode_example = _stored_clip


def with_files(
    batches: Iterable[ColumnBatch], columns: Sequence[str], repository: str
) -> Iterator[ColumnBatch]:
    """Yield rows with the bytes of the files that cells name, within `arrow.MAX_BATCH_BYTES`.

    Args:
        columns: of cells `{bytes, path}`.
        repository: the name of the data set on the Hub, whose files may be read.

    Raises:
        InputError: a cell names another file or one that is too large, or the file is not there.
    """

    def num_bytes(row: dict[str, Any]) -> int:
        return sum(len((row[name] or {}).get("bytes") or b"") for name in columns)

    rows = (
        {
            name: _with_bytes(values[i], name, repository) if name in columns else values[i]
            for name, values in batch.items()
        }
        for batch in batches
        for i in range(num_rows(batch))
    )
    for group in arrow.grouped(rows, num_bytes):
        yield {name: [row[name] for row in group] for name in group[0]}


def _with_bytes(cell: Any, column: str, repository: str) -> Any:
    if not isinstance(cell, dict) or cell.get("bytes") is not None or cell.get("path") is None:
        return cell
    from datasets.utils.file_utils import xopen

    path = cell["path"]
    where = f"data.hub: column {column!r} names the file {path}"
    if not _is_of(path, repository):
        raise InputError(f"{where}, which is not in the data set, and does not hold its bytes")
    try:
        with xopen(path, "rb") as stream:
            return cell | {"bytes": read_bounded(stream.read, f"{where}, which has")}
    except FileNotFoundError:
        raise InputError(f"{where}, which the data set does not have") from None


def _is_of(path: str, repository: str) -> bool:
    """Whether a file is one of the repository, there or downloaded."""
    from datasets import config
    from huggingface_hub import constants

    if ".." in re.split("[/:]", path):
        return False
    if "://" in path:  # a chain of archives: zip://member::hf://datasets/…
        *members, last = path.split("::")
        in_archive = all(member.partition("://")[:2] in ARCHIVES for member in members)
        return in_archive and last.startswith(f"hf://datasets/{repository}@")
    folder = f"datasets--{repository.replace('/', '--')}"
    places = [os.path.join(constants.HF_HUB_CACHE, folder), config.HF_DATASETS_CACHE]
    here = os.path.abspath(path)  # not resolved: the cache consists of links
    return any(os.path.commonpath([here, os.path.abspath(p)]) == os.path.abspath(p) for p in places)


def _stored_clip(_: object, value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"bytes": None, "path": value}
    if isinstance(value, bytes):
        return {"bytes": value, "path": None}
    return {"bytes": value.get("bytes"), "path": value.get("path")}
