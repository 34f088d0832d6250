"""Tokens/s and memory of the tokenize stage beside the tokenizer alone.

`python benchmarks/tokenizing.py --model data/export --input texts.csv --num-rows 1000000` encodes
the file's texts over and over; `predict.py` makes such a file and runs this.
"""

import argparse
import csv
import itertools
import json
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

from datasets import Features

from stages import tokenize
from temper.core import arrow, startup
from temper.prediction import stored
from temper.tasks.base import registry
from temper.tasks.base.encoded_columns import column_types


def main(model: Path, source: Path, num_rows: int, rounds: int) -> dict[str, float]:
    """Return tokens/s of the tokenizer alone and of the stage's loop in turn, and the memory."""
    _, settings = stored.read(model)
    task = registry.load(settings)
    processor: Any = registry.load_processor(model, task)
    with source.open(encoding="utf-8", newline="") as file:
        texts = [list(column) for column in zip(*list(csv.reader(file))[1:], strict=True)]
    starts = range(0, len(texts[0]), arrow.ROWS_PER_BATCH)
    batches = [[column[i : i + arrow.ROWS_PER_BATCH] for column in texts] for i in starts]
    rows = [list(zip(*batch, strict=True)) if len(batch) == 2 else batch[0] for batch in batches]
    as_columns = [dict(zip(task.columns, batch, strict=True)) for batch in batches]
    peak = [0.0]
    threading.Thread(target=watch_memory, args=[peak], daemon=True).start()
    features = column_types(task.encode(as_columns[0], processor, mode="predict"), Features(), task)
    limit, raw, stage = settings.tokenize.max_length, [], []
    for _ in range(rounds):
        raw.append(tokens_per_s(processor, limit, rows))
        lengths: Counter[int] = Counter()
        endless = itertools.islice(itertools.cycle(as_columns), num_rows // arrow.ROWS_PER_BATCH)
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            encoded = tokenize.encode_split(endless, task.encode, processor, "predict", lengths)
            arrow.write_split(Path(folder), "train", features, encoded)
            seconds = time.perf_counter() - started
        tokens = sum(min(length, limit or length) * count for length, count in lengths.items())
        stage.append(tokens / seconds)
    ratio = median(one / other for one, other in zip(stage, raw, strict=True))
    return {"raw": median(raw), "stage": median(stage), "ratio": ratio, "peak_mib": peak[0]}


def tokens_per_s(processor: Any, max_length: int | None, batches: list[list]) -> float:
    """Return what the Rust tokenizer makes where nobody reads it."""
    rust = processor.backend_tokenizer
    rust.no_padding()
    rust.enable_truncation(max_length)
    started = time.perf_counter()
    num_tokens = sum(len(row) for batch in batches for row in rust.encode_batch_fast(batch))
    return num_tokens / (time.perf_counter() - started)


def watch_memory(peak: list[float]) -> None:
    """Keep the most anonymous memory that this process had, in MiB; mapped files are not."""
    while True:
        status = Path("/proc/self/status").read_text()
        found = next(line for line in status.splitlines() if line.startswith("RssAnon"))
        peak[0] = max(peak[0], int(found.split()[1]) / 1024)
        time.sleep(0.02)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="an export")
    parser.add_argument("--input", type=Path, required=True, help="CSV of the model's columns")
    parser.add_argument("--num-rows", type=int, required=True)
    parser.add_argument("--rounds", type=int, default=5, help="medians are shown")
    startup.collect_rarely()  # as the stage does
    options = parser.parse_args()
    print(json.dumps(main(options.model, options.input, options.num_rows, options.rounds)))
