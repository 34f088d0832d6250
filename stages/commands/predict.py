"""A file of texts → the same file with predictions, a window of rows in memory at a time.

`temper predict --model data/export --input new.csv --output scored.csv`
"""

import csv
import itertools
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from stages.errors import InputError, nearest


def predict(
    model: Annotated[Path, typer.Option(help="A folder that the export stage wrote.")],
    input: Annotated[Path, typer.Option(help="CSV, TSV, JSON, JSONL, Parquet or Arrow.")],
    output: Annotated[Path, typer.Option(help="CSV, TSV, JSONL or Parquet.")],
    engine: Annotated[str, typer.Option(help="onnx, int8 or torch.")] = "onnx",
    batch_size: Annotated[int, typer.Option(min=1, help="Rows per forward pass.")] = 32,
    num_threads: Annotated[int, typer.Option(min=1, help="Threads.")] = os.cpu_count() or 1,
) -> None:
    """Add prediction, score and score_<label> to every row of a file, in its order."""
    from tqdm import tqdm

    from stages.sources import readers

    if input.resolve() == output.resolve():
        raise InputError(f"--output is --input ({input}); write to another file")
    (file,) = readers.find_files(str(input), "input", "*")
    if output.suffix.lower() not in WRITERS:
        raise InputError(f"--output {output}: unknown format; known are {', '.join(WRITERS)}")
    predictor = Predictor(model, engine, batch_size, num_threads)
    check_columns(readers.column_names(file), predictor.text, file)
    partial = output.with_name(f".{output.name}.partial")
    count = 0
    with tqdm(unit="row", unit_scale=True) as bar, WRITERS[output.suffix.lower()](partial) as write:
        for columns in readers.read(file):
            size = len(columns[predictor.text[0]])
            write({**columns, **predictor.predict(columns)} if size else columns)
            bar.update(size)
            count += size
    partial.replace(output)
    print(f"{count} rows in {output}")


def check_columns(found: list[str], text: list[str], file: Path) -> None:
    """Refuse a file that lacks a text column or has one that predict would add."""
    for name in text:
        if name not in found:
            raise InputError(
                f"{file}: no column {name!r}{nearest(name, found)}; it has {', '.join(found)}"
            )
    for name in found:
        if name in ("prediction", "score") or name.startswith("score_"):
            raise InputError(f"{file}: column {name!r} is one that predict adds; rename it")


class Predictor:
    """An exported folder, ready to score columns of text."""

    def __init__(self, folder: Path, engine: str, batch_size: int, num_threads: int):
        from stages import inference, tasks
        from stages.params import TaskParams

        settings = self._settings(folder)
        self.task_params = TaskParams.model_validate_json(json.dumps(settings["temper"]["task"]))
        self.text, self.max_length = list(self.task_params.text), settings["temper"]["max_length"]
        labels = settings["id2label"] if self.task_params.problem_type != "regression" else {}
        self.labels = [labels[str(i)] for i in range(len(labels))]
        os.environ["TOKENIZERS_PARALLELISM"] = "true"
        from transformers import AutoTokenizer

        self.processor = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        if self.processor.pad_token_id is None:
            self.processor.pad_token = self.processor.eos_token
        self.task, self.batch_size = tasks.load(self.task_params), batch_size
        self.collate = self.task.collator(
            self.processor,
            num_outputs=len(self.labels) or 1,
            max_length=None,
            multiple_of=settings["temper"]["multiple_of"],
        )
        self.forward = self._forward(folder, engine, num_threads)
        self.window = inference.predict

    @staticmethod
    def _settings(folder: Path) -> dict[str, Any]:
        try:
            settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(f"--model {folder}: no config.json there; run dvc repro") from None
        if "temper" not in settings:
            raise InputError(f"--model {folder}: not written by the export stage; use data/export")
        return settings

    def _forward(self, folder: Path, engine: str, num_threads: int) -> Callable:
        from stages import inference

        files = {"onnx": "model.onnx", "int8": "model_int8.onnx"}
        if engine in files:
            file = folder / "onnx" / files[engine]
            if not file.exists():
                raise InputError(f"--engine {engine}: {file} does not exist")
            return inference.onnx_forward(inference.onnx_session(str(file), num_threads))
        if engine != "torch":
            raise InputError(f"--engine {engine}: unknown; allowed: onnx, int8, torch")
        import torch
        import transformers

        torch.set_num_threads(num_threads)
        auto = getattr(transformers, self.task.auto_model)
        return inference.torch_forward(auto.from_pretrained(str(folder), local_files_only=True))

    def predict(self, columns: dict[str, list]) -> dict[str, list]:
        """Return the columns to add for some rows."""
        texts = {name: ["" if v is None else str(v) for v in columns[name]] for name in self.text}
        encoded = self.task.encode(texts, self.processor, self.max_length)
        encoded.pop("full_length")
        values = zip(*encoded.values(), strict=True)
        rows = [dict(zip(encoded, row, strict=True)) for row in values]
        windows = self.window(self.forward, rows, self.collate, self.batch_size)
        return self.answer(np.concatenate([logits for _, logits in windows]).astype(np.float64))

    def answer(self, logits: np.ndarray) -> dict[str, list]:
        """Turn logits (rows, outputs) into columns."""
        from stages.metrics import classification, multi_label

        if self.task_params.problem_type == "regression":
            return {"prediction": [float(f"{value:.7g}") for value in logits[:, 0]]}
        if self.task_params.problem_type == "multi_label_classification":
            chances = multi_label.probabilities(logits)
            said = [
                "|".join(n for n, p in zip(self.labels, row, strict=True) if p >= 0.5)
                for row in chances
            ]
        else:
            chances = classification.probabilities(logits)
            said = [self.labels[i] for i in chances.argmax(-1)]
        found = {"prediction": said, "score": chances.max(-1).round(6).tolist()}
        scores = {f"score_{n}": chances[:, i] for i, n in enumerate(self.labels)}
        return found | {name: values.round(6).tolist() for name, values in scores.items()}


Write = Callable[[dict[str, list]], None]


def _delimited(delimiter: str) -> Callable[[Path], Any]:
    @contextmanager
    def open_writer(path: Path) -> Iterator[Write]:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
            fresh = itertools.chain([True], itertools.repeat(False))

            def write(columns: dict[str, list]) -> None:
                if next(fresh):
                    writer.writerow(columns)
                writer.writerows(zip(*columns.values(), strict=True))

            yield write

    return open_writer


@contextmanager
def _json_lines(path: Path) -> Iterator[Write]:
    with path.open("w", encoding="utf-8") as file:

        def write(columns: dict[str, list]) -> None:
            for row in zip(*columns.values(), strict=True):
                found = dict(zip(columns, row, strict=True))
                file.write(json.dumps(found, ensure_ascii=False) + "\n")

        yield write


@contextmanager
def _parquet(path: Path) -> Iterator[Write]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writers: list[Any] = []

    def write(columns: dict[str, list]) -> None:
        table = pa.table(columns, schema=writers[0].schema if writers else None)
        if not writers:
            writers.append(pq.ParquetWriter(path, table.schema))
        writers[0].write_table(table)

    try:
        yield write
    finally:
        for writer in writers:
            writer.close()


WRITERS: dict[str, Callable[[Path], Any]] = {
    ".csv": _delimited(","),
    ".tsv": _delimited("\t"),
    ".jsonl": _json_lines,
    ".parquet": _parquet,
}
