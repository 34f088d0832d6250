"""A trained or exported model folder → predictions of examples, in order.

Shared by evaluate, export and `temper predict`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from temper import inference
from temper.core.errors import InputError
from temper.inference import Features
from temper.models import loading
from temper.params import user_code
from temper.params.renamed import with_current_names
from temper.params.schema import Settings
from temper.prediction import generation
from temper.tasks.base import registry

ROWS = 2000  # examples decoded together
GRAPHS = {"onnx": "model.onnx", "int8": "model_int8.onnx"}
ENGINES = (*GRAPHS, "torch")


class Predictor:
    """A loaded model with its task and processor.

    Args:
        folder: config, weights or `onnx/`, and the processor's files.
        settings: the parameters the task may read.
        engine: torch, onnx or int8.
        batch_size: features per forward pass.
        num_threads: of ONNX Runtime.
    """

    def __init__(
        self, folder: Path, settings: Settings, *, engine: str, batch_size: int, num_threads: int
    ):
        self.config = loading.open_config(folder)
        self.settings, self.batch_size = settings, batch_size
        self.task = user_code.with_custom_encode(registry.load(settings), settings)
        kind = settings.task.target[1] if settings.task.target else None
        if kind in ("class", "classes", "tags"):
            labels: Any = self.config.id2label or {}
            self.task.label_names = [labels[i] for i in range(len(labels))]
        self.task.load_decoder_state(self.config)
        self.processor = registry.load_processor(folder, self.task)
        self.collate = self.task.collator(self.processor, self.config)
        if engine == "torch":
            name = getattr(self.config, "custom_class", None)
            self.model = loading.load(
                folder,
                self.task.auto_model,
                user_code.resolve(name, "model.custom_class", settings.code),
            )
            self.forward = inference.torch_forward(self.model, self.task)
            write = settings.evaluate.generation and generation.torch_writer(
                self.model, settings.evaluate.generation, self.processor
            )
        else:
            session = inference.onnx_session(str(graph(folder, engine)), num_threads)
            self.forward = inference.onnx_forward(session, self.task)
            write = settings.evaluate.generation and generation.onnx_writer(
                session, settings.evaluate.generation, self.processor, self.config
            )
        self.write = write

    def outputs(
        self, features: Any, outputs_needed: tuple[str, ...], first: int | None
    ) -> dict[str, list]:
        """Return the outputs of features by pass, one per feature."""
        found: dict[str, list] = {}
        size = self.batch_size
        for name in outputs_needed:
            if name == "logits":
                windows = inference.predict(
                    self.forward, features, self.collate, size, self.task, first
                )
            else:
                assert self.write is not None
                windows = generation.generate(self.write, features, self.task, self.processor, size)
            found[name] = [output for _, outputs in windows for output in outputs]
        return found

    def decoded(self, features: Any, examples: Any) -> Iterator[tuple[int, list, Any]]:
        """Yield `(first example, predictions, examples)`, `ROWS` examples at a time.

        Args:
            features: a tokenized split.
            examples: its raw rows.
        """
        ids = np.arange(len(features))
        if "example_id" in features.features:
            ids = np.asarray(features["example_id"])
        for start in range(0, len(examples), ROWS):
            stop = min(start + ROWS, len(examples))
            first, last = (int(at) for at in np.searchsorted(ids, (start, stop)))
            part = features.select(range(first, last))
            rows = examples.select(range(start, stop))
            outputs = self.outputs(part, self.task.outputs_needed, first)
            yield start, self.task.decode(outputs, part, rows, self.processor), rows

    def predict(self, columns: dict[str, list]) -> dict[str, list]:
        """Return the columns that predictions of raw columns add."""
        size = len(columns[self.task.columns[0]])
        encoded = self.task.encode(columns, self.processor, mode="predict")
        encoded.pop("full_length")
        rows = [dict(zip(encoded, r, strict=True)) for r in zip(*encoded.values(), strict=True)]
        features = Features(rows)
        examples = Features({name: columns[name][i] for name in columns} for i in range(size))
        outputs = self.outputs(features, self.task.predict_outputs_needed, None)
        return self.task.predict(outputs, features, examples, self.processor)


def open_export(folder: Path, engine: str, *, batch_size: int, num_threads: int) -> Predictor:
    """Load a folder that the export stage wrote.

    Raises:
        InputError: it is no such folder, or lacks the engine's file.
    """
    try:
        known = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("temper")
    except FileNotFoundError:
        raise InputError(f"--model {folder}: no config.json there; run dvc repro") from None
    if known is None:
        raise InputError(f"--model {folder}: not written by the export stage; use data/export")
    if engine not in ENGINES:
        raise InputError(f"--engine {engine}: unknown; allowed: {', '.join(ENGINES)}")
    try:
        settings = Settings.model_validate_json(json.dumps(with_current_names(known)[0]))
    except ValidationError as error:
        raise InputError(
            f"--model {folder}: exported with other parameters than this version knows "
            f"({error.error_count()} differ); export it again, or use the version it is from"
        ) from None
    code = {name: str(folder / path) for name, path in settings.code.items()}
    settings = settings.model_copy(update={"code": code})
    return Predictor(
        folder, settings, engine=engine, batch_size=batch_size, num_threads=num_threads
    )


def graph(folder: Path, engine: str) -> Path:
    """Return the ONNX file of an engine.

    Raises:
        InputError: there is none.
    """
    file = folder / "onnx" / GRAPHS[engine]
    if not file.exists():
        raise InputError(f"--engine {engine}: {file} does not exist")
    return file
