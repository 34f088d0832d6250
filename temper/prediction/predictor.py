"""A trained or exported model folder → predictions of examples, in order.

Shared by evaluate, export and `temper predict`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from temper import inference
from temper.core.errors import InputError
from temper.inference import RowList
from temper.models import loading
from temper.params import user_code
from temper.params.renamed import with_current_names
from temper.params.schema import Settings
from temper.prediction import generation
from temper.tasks.base import registry
from temper.tasks.base.arrays import Rows

if TYPE_CHECKING:
    from datasets import Dataset

EXAMPLES_PER_WINDOW = 2000  # decoded together
GRAPHS = {"onnx": "model.onnx", "int8": "model_int8.onnx"}
ENGINES = (*GRAPHS, "torch")
KINDS_WITH_LABEL_NAMES = ("class", "classes", "tags")


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
        self.folder, self.settings, self.batch_size = folder, settings, batch_size
        self.config = loading.open_config(folder)
        self.task = user_code.with_custom_encode(registry.load(settings), settings)
        target = settings.task.target
        if target is not None and target[1] in KINDS_WITH_LABEL_NAMES:
            label_names: Any = self.config.id2label or {}
            self.task.label_names = [label_names[i] for i in range(len(label_names))]
        self.task.load_decoder_state(self.config)
        self.processor = registry.load_processor(folder, self.task)
        self.collate = self.task.collator(self.processor, self.config)
        self.generate: generation.Generate | None = None
        if engine == "torch":
            self._load_torch()
        else:
            self._load_onnx(onnx_file(folder, engine), num_threads)

    def _load_torch(self) -> None:
        name, settings = getattr(self.config, "custom_class", None), self.settings
        custom_class = user_code.resolve(name, "model.custom_class", settings.code)
        self.model = loading.load(self.folder, self.task.auto_model, custom_class)
        self.forward = inference.torch_forward(self.model, self.task)
        if settings.evaluate.generation is not None:
            self.generate = generation.torch_generate(
                self.model, settings.evaluate.generation, self.processor
            )

    def _load_onnx(self, file: Path, num_threads: int) -> None:
        session = inference.onnx_session(str(file), num_threads)
        self.forward = inference.onnx_forward(session, self.task)
        if self.settings.evaluate.generation is not None:
            self.generate = generation.onnx_generate(
                session, self.settings.evaluate.generation, self.processor, self.config
            )

    def outputs(
        self, features: Rows, outputs_needed: tuple[str, ...], first: int | None
    ) -> dict[str, list[np.ndarray]]:
        """Return `logits`, `tokens` or both, an array per feature.

        Args:
            features: the encoded rows.
            outputs_needed: names of outputs; see `Task.outputs_needed`.
            first: the row number of the first one; see `inference.predict`.
        """
        outputs: dict[str, list[np.ndarray]] = {}
        for name in outputs_needed:
            if name == "logits":
                windows = inference.predict(
                    self.forward, features, self.collate, self.batch_size, self.task, first
                )
            else:
                assert self.generate is not None
                windows = generation.predict(
                    self.generate, features, self.task, self.processor, self.batch_size
                )
            outputs[name] = [output for _, window in windows for output in window]
        return outputs

    def predictions_by_window(
        self, features: "Dataset", examples: "Dataset"
    ) -> Iterator[tuple[int, list, "Dataset"]]:
        """Yield `(first example, predictions, examples)`, `EXAMPLES_PER_WINDOW` at a time.

        Args:
            features: a tokenized split.
            examples: its raw rows.
        """
        ids = np.arange(len(features))
        if "example_id" in features.features:
            ids = np.asarray(features["example_id"])
        for start in range(0, len(examples), EXAMPLES_PER_WINDOW):
            stop = min(start + EXAMPLES_PER_WINDOW, len(examples))
            first, last = (int(row) for row in np.searchsorted(ids, (start, stop)))
            window = features.select(range(first, last))
            window_examples = examples.select(range(start, stop))
            outputs = self.outputs(window, self.task.outputs_needed, first)
            predictions = self.task.decode(outputs, window, window_examples, self.processor)
            yield start, predictions, window_examples

    def predict(self, columns: dict[str, list]) -> dict[str, list]:
        """Return the columns that `temper predict` adds to raw columns."""
        num_examples = len(columns[self.task.columns[0]])
        encoded = self.task.encode(columns, self.processor, mode="predict")
        encoded.pop("full_length")
        features = RowList(
            dict(zip(encoded, row, strict=True)) for row in zip(*encoded.values(), strict=True)
        )
        examples = RowList(
            {name: values[i] for name, values in columns.items()} for i in range(num_examples)
        )
        outputs = self.outputs(features, self.task.predict_outputs_needed, None)
        return self.task.predict(outputs, features, examples, self.processor)


def open_export(folder: Path, engine: str, *, batch_size: int, num_threads: int) -> Predictor:
    """Load a folder that the export stage wrote, by this version or an earlier one.

    Raises:
        InputError: another stage or program wrote it, or it lacks the engine's file.
    """
    try:
        stored = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("temper")
    except FileNotFoundError:
        raise InputError(f"--model {folder}: no config.json there; run dvc repro") from None
    if stored is None:
        raise InputError(f"--model {folder}: not written by the export stage; use data/export")
    if engine not in ENGINES:
        raise InputError(f"--engine {engine}: unknown; allowed: {', '.join(ENGINES)}")
    try:
        settings = Settings.model_validate_json(json.dumps(with_current_names(stored)[0]))
    except ValidationError as error:
        raise InputError(
            f"--model {folder}: exported with other parameters than this version knows "
            f"({error.error_count()} differ); export it again, or use the version that wrote it"
        ) from None
    code = {name: str(folder / path) for name, path in settings.code.items()}
    settings = settings.model_copy(update={"code": code})
    return Predictor(
        folder, settings, engine=engine, batch_size=batch_size, num_threads=num_threads
    )


def onnx_file(folder: Path, engine: str) -> Path:
    """Return the ONNX file of an engine.

    Raises:
        InputError: the folder has none.
    """
    file = folder / "onnx" / GRAPHS[engine]
    if not file.exists():
        raise InputError(f"--engine {engine}: {file} does not exist")
    return file
