"""Rows/s of `temper predict` beside transformers' pipeline and a bare ONNX Runtime loop; tokens/s.

`python benchmarks/predict.py --model data/export --data path/to/mrpc/train.csv` takes sentences
from a column of the data and makes short texts (3 to 12 words) and mixed ones (3 words to three
sentences) of them; whole sentences are tokenized. Each measurement runs in a process of its own.
See benchmarks/README.md.
"""

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

BATCH = 32  # rows, of the pipeline and of the bare loop
GRAPHS = {"onnx": "model.onnx", "int8": "model_int8.onnx"}
ENGINES = (*GRAPHS, "torch")
TEMPER = Path(sys.executable).with_name("temper")
TOKENIZING = Path(__file__).with_name("tokenizing.py")
NUM_CALLS, LENGTH = 200, 53  # of a model at batch 1; the mean of MRPC


def write_texts(kind: str, rows: int, options: argparse.Namespace, target: Path) -> None:
    """Write a CSV file with the columns that the model reads."""
    with options.data.open(encoding="utf-8", newline="") as file:
        sentences = [row[options.column] for row in csv.DictReader(file)]
    config = json.loads((options.model / "config.json").read_text())
    columns, rng = config["temper"]["task"]["text"], random.Random(1)

    def text() -> str:
        if kind == "short":
            return " ".join(rng.choice(sentences).split()[: rng.randint(3, 12)])
        if kind == "whole":
            return rng.choice(sentences)
        words = " ".join(rng.sample(sentences, 3)).split()
        return " ".join(words[: rng.randint(3, len(words))])

    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([text() for _ in columns] for _ in range(rows))


def read_texts(options: argparse.Namespace) -> list[Any]:
    """Return the texts, or pairs of texts, of the file to predict."""
    with options.input.open(encoding="utf-8", newline="") as file:
        rows = [tuple(row) for row in list(csv.reader(file))[1:]]
    return rows if len(rows[0]) == 2 else [text for (text,) in rows]


def pipeline(options: argparse.Namespace) -> dict[str, float]:
    """Predict as people copy it."""
    import torch
    from transformers import pipeline

    torch.set_num_threads(options.num_threads)
    classify: Any = pipeline("text-classification", model=str(options.model), device="cpu")
    texts = read_texts(options)
    if isinstance(texts[0], tuple):
        texts = [{"text": first, "text_pair": second} for first, second in texts]
    started = time.perf_counter()
    classify(texts, batch_size=BATCH, truncation=True, max_length=128)
    return {"seconds": time.perf_counter() - started}


def bare(options: argparse.Namespace) -> dict[str, float]:
    """Run an ONNX graph over batches of rows that are sorted by their tokens, and nothing else."""
    import numpy as np
    import onnxruntime
    from tokenizers import Tokenizer

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = options.num_threads, 1
    file = options.model / "onnx" / GRAPHS[options.engine]
    session = onnxruntime.InferenceSession(str(file), settings)
    tokenizer = Tokenizer.from_file(str(options.model / "tokenizer.json"))
    tokenizer.enable_truncation(128)
    tokenizer.no_padding()
    names = {tensor.name for tensor in session.get_inputs()}
    texts = read_texts(options)
    started = time.perf_counter()
    rows = sorted(tokenizer.encode_batch_fast(texts), key=len)
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        for row in batch:
            row.pad(len(batch[-1]))
        arrays = {
            "input_ids": np.array([row.ids for row in batch]),
            "attention_mask": np.array([row.attention_mask for row in batch]),
            "token_type_ids": np.array([row.type_ids for row in batch]),
        }
        session.run(["logits"], {name: arrays[name] for name in names})
    return {"seconds": time.perf_counter() - started}


def latency(options: argparse.Namespace) -> dict[str, float]:
    """Return the milliseconds of one row of `LENGTH` tokens, by engine."""
    from temper.prediction.predictor import open_export

    medians = {}
    for engine in ENGINES:
        model = open_export(
            options.model, engine, batch_tokens=1, num_threads=options.num_threads, trust_code=False
        )
        ids = [7] * LENGTH
        batch, times = model.collate([{"input_ids": ids, "token_type_ids": [0] * LENGTH}]), []
        for _ in range(NUM_CALLS):
            started = time.perf_counter()
            model.forward(batch)
            times.append(time.perf_counter() - started)
        medians[engine] = 1000 * sorted(times)[NUM_CALLS // 2]
    return medians


def run(options: argparse.Namespace, command: list[Any], *more: Any) -> dict[str, float]:
    """Return what a command prints as JSON, and its `total` seconds from start to end."""
    environment = os.environ | {"OMP_NUM_THREADS": str(options.num_threads)}
    environment |= {"PYTHONPATH": str(Path(__file__).parents[1])}
    words = [str(word) for word in (*command, "--model", options.model, *more)]
    started = time.perf_counter()
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    total = time.perf_counter() - started
    last = done.stdout.splitlines()[-1] if not done.returncode else sys.exit(done.stderr)
    return {"total": total} | (json.loads(last) if last.startswith("{") else {})


def measure_kind(kind: str, folder: Path, options: argparse.Namespace) -> list[list[str]]:
    """Return the rows of the table for one kind of text."""
    texts, few = folder / f"{kind}.csv", folder / "few.csv"
    write_texts(kind, options.num_rows, options, texts)
    write_texts(kind, 8, options, few)
    threads = ("--num-threads", options.num_threads)
    measure = [sys.executable, __file__, "--input", texts, *threads, "--measure"]
    results = {"pipeline(batch_size=32)": run(options, [*measure, "pipeline"])}
    for engine in GRAPHS:
        results[f"bare loop, {engine}"] = run(options, [*measure, "bare", "--engine", engine])
    predict = [TEMPER, "predict", *threads, "--output", folder / "scored.csv", "--engine"]
    for engine in ENGINES:
        start = run(options, [*predict, engine], "--input", few)["total"]
        total = run(options, [*predict, engine], "--input", texts)["total"]
        results[f"temper predict, {engine}"] = {"total": total, "seconds": total - start}
    rows, plain = [], results["pipeline(batch_size=32)"]
    for name, found in results.items():
        bare_loop = results.get(f"bare loop, {name.rpartition(', ')[2]}", {})
        cells = []
        for clock in ("total", "seconds"):
            ratio = f"{bare_loop[clock] / found[clock]:.2f}" if bare_loop else ""
            rate, times = options.num_rows / found[clock], plain[clock] / found[clock]
            cells += [f"{rate:,.0f}", f"{times:.2f}", ratio]
        rows.append([kind, name, *cells])
    return rows


def main(options: argparse.Namespace) -> None:
    header = ["texts", "with", *(["rows/s", "× pipeline", "× bare loop"] * 2)]
    print("The first three numbers count start-up, the other three do not.\n")
    print(f"| {' | '.join(header)} |\n{'| --- ' * len(header)}|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in options.kinds:
            for row in measure_kind(kind, folder, options):
                print(f"| {' | '.join(row)} |", flush=True)
        texts = folder / "raw.csv"
        write_texts("whole", 20_000, options, texts)
        for num_rows in options.tokenize_rows:
            more = ("--input", texts, "--num-rows", num_rows)
            found = run(options, [sys.executable, TOKENIZING], *more)
            print(
                f"\ntokenizing {num_rows:,} rows to Arrow: {found['stage'] / 1e6:.2f} Mtok/s, "
                f"{found['ratio']:.2f} of encode_batch_fast's, "
                f"peak {found['peak_mib']:,.0f} MiB",
                flush=True,
            )
    found = run(options, [sys.executable, __file__, "--measure", "latency"])
    print(f"\nbatch 1, {LENGTH} tokens:", *(f"{name} {found[name]:.1f} ms" for name in ENGINES))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="an export")
    parser.add_argument("--data", type=Path, help="CSV")
    parser.add_argument("--column", default="sentence1", help="of the data")
    parser.add_argument("--num-rows", type=int, default=4000)
    parser.add_argument("--kinds", nargs="+", default=["short", "mixed"])
    parser.add_argument("--tokenize-rows", type=int, nargs="*", default=[20_000])
    parser.add_argument("--num-threads", type=int, default=os.cpu_count())
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--input", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--engine", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(globals()[arguments.measure](arguments)))
    else:
        main(arguments)
