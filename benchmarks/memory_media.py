"""Peak memory of reading images and clips of 4 MB each, by rows: download and tokenize.

`python benchmarks/memory_media.py`: each measurement runs in a new process. A file of the Hub is
read as `datasets` has it after the download.
"""

import argparse
import io
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SOURCES = {
    "files": "download, a Parquet file",
    "hub": "the Hub, after `datasets` has downloaded",
    "tokenize": "tokenize",
}
ROWS_PER_GROUP = 25
SIDE, SECONDS, RATE = 1_150, 120, 16_000  # 4 MB without compression


def write_files(folder: Path, medium: str, rows: int) -> None:
    """Write a Parquet file in row groups of 100 MB, and what `datasets` makes of it."""
    import datasets

    kind = {"image": datasets.Image(), "audio": datasets.Audio()}[medium]
    features = datasets.Features({medium: kind, "label": datasets.ClassLabel(names=["a", "b"])})
    schema, make = features.arrow_schema, picture if medium == "image" else clip
    one, other = (make(np.random.default_rng(seed)) for seed in (1, 2))
    with (
        pq.ParquetWriter(folder / "train.parquet", schema) as parquet,
        pa.OSFile(str(folder / "train.arrow"), "wb") as file,
        pa.ipc.new_stream(file, schema) as arrow,
    ):
        for start in range(0, rows, ROWS_PER_GROUP):
            numbers = range(start, min(start + ROWS_PER_GROUP, rows))
            cells = [
                {"bytes": (one, other)[i % 2] + b"%08d" % i, "path": None} for i in numbers
            ]  # bytes after the end of a file are not read, and make each row another
            table = pa.table({medium: cells, "label": [i % 2 for i in numbers]}, schema=schema)
            parquet.write_table(table)
            arrow.write_table(table)


def picture(random: np.random.Generator) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    pixels = random.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(stream, "PNG", compress_level=0)
    return stream.getvalue()


def clip(random: np.random.Generator) -> bytes:
    from temper.tasks.base import audio

    return audio.encode(random.uniform(-0.5, 0.5, SECONDS * RATE), RATE)


def measure(medium: str, source: str, folder: Path) -> dict[str, float]:
    """Return the peak memory of download or tokenize in MiB, and that before it."""
    import datasets

    from stages import download, tokenize
    from temper import params
    from temper.ingest import base_model, dataset, hub
    from temper.tasks.base import registry

    p = params.load(Path(f"recipes/sample-{medium}_classification.yaml"))
    if p.tokenize.max_seconds is not None:
        longest = p.tokenize.model_copy(update={"max_seconds": float(SECONDS)})
        p = p.model_copy(update={"tokenize": longest})
    if source == "tokenize":
        base_model.write(Path(p.model.files["sample"]), p.model, registry.load(p), folder / "base")
    peak = [0.0]
    threading.Thread(target=watch_memory, args=[peak], daemon=True).start()
    time.sleep(0.1)
    before = peak[0]
    if source == "tokenize":
        processor = folder / "base/processor"
        tokenize.tokenize(folder / "raw", processor, folder, folder / "tokenized", p)
        return {"before": before, "peak": peak[0]}
    files = {"train": str(folder / "train.parquet")}
    data = p.data.model_copy(update={"files": files})
    batches = download.open_local_splits(data, {}.setdefault)
    if source == "hub":
        table = datasets.Dataset.from_file(str(folder / "train.arrow"))
        batches = {"train": hub._batches(table, None, "me/files")}
    shutil.rmtree(folder / "raw", ignore_errors=True)
    dataset.write(batches, p.task.model_copy(update={"labels": None}), data, folder / "raw")
    return {"before": before, "peak": peak[0]}


def watch_memory(peak: list[float]) -> None:
    """Keep the most anonymous memory that this process had, in MiB."""
    while True:
        lines = Path("/proc/self/status").read_text().splitlines()
        found = next(line for line in lines if line.startswith("RssAnon"))
        peak[0] = max(peak[0], int(found.split()[1]) / 1024)
        time.sleep(0.01)


def main(rows: list[int]) -> None:
    for medium in ("image", "audio"):
        for count in rows:
            with tempfile.TemporaryDirectory() as folder:
                write_files(Path(folder), medium, count)
                for source, name in SOURCES.items():
                    command = [sys.executable, __file__, "--measure", medium, source, folder]
                    done = subprocess.run(command, check=True, capture_output=True, text=True)
                    found = json.loads(done.stdout.splitlines()[-1])
                    print(
                        f"{name}, {medium}, {count} rows: {found['peak']:,.0f} MiB, "
                        f"{found['before']:,.0f} before",
                        flush=True,
                    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[50, 100])
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure is None:
        main(options.rows)
    else:
        given, place, path = options.measure
        print(json.dumps(measure(given, place, Path(path))))
