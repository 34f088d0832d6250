"""A model folder → predictions in order, for evaluate, export and `temper predict`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from temper import inference
from temper.core.errors import InputError, summary
from temper.inference import RowList
from temper.models import loading
from temper.params import user_code
from temper.params.schema import Params, Settings
from temper.prediction import drift, generation, packed, stored
from temper.prediction.batches import BATCH_TOKENS, token_batches
from temper.prediction.engines import choose_engine, onnx_file, open_session
from temper.tasks.base import audio, registry, windows
from temper.tasks.base.arrays import Rows

if TYPE_CHECKING:
    from datasets import Dataset

EXAMPLES_PER_CHUNK = 2000  # decoded together
PLACEHOLDERS = {  # type of an input → a value that stands for any
    "text": "a",
    "texts": ["a", "b"],
    "messages": [{"role": "user", "content": "a"}],
    "image": b"P6 1 1 255 \0\0\0",
    "audio": audio.silence(),
}


class Predictor:
    """A loaded model with its task and processor.

    Args:
        folder: config, weights or `onnx/`, and the processor's files.
        engine: torch, onnx or int8.
        batch_size: features per forward pass of `outputs`.
        batch_tokens: most padded tokens per forward pass of `predict`.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        *,
        engine: str,
        num_threads: int,
        batch_size: int = 32,
        batch_tokens: int = BATCH_TOKENS,
    ):
        self.folder, self.settings = folder, settings
        self.batch_size, self.batch_tokens = batch_size, batch_tokens
        parts = packed.read(folder) if engine != "torch" else None
        self.config = config = parts[0] if parts else loading.open_config(folder)
        task = registry.load(settings)
        if settings.task.has_label_names:
            label_names: Any = config.id2label or {}
            task.label_names = [label_names[i] for i in range(len(label_names))]
            if not label_names:
                raise InputError(f"{folder}/config.json has no id2label, the names of the labels")
        self.task = task = task.for_model(config)
        self.watch: drift.Watch | None = None  # counts the rows of `predict`
        self.num_cut = 0  # of them, those that were longer than what the model reads
        self.encode = user_code.encoder(task, settings)
        self.processor = processor = parts[1] if parts else registry.load_processor(folder, task)
        self.input_limit = task.input_limit(processor)  # and its name
        self.collate = task.collator(processor, config)
        if engine == "torch":
            name = getattr(config, "custom_class", None)
            custom_class = user_code.resolve(name, "model.custom_class", settings.code)
            self.model = loading.load(folder, task.auto_model, custom_class)
            self.forward = inference.torch_forward(self.model, task)
            build_generate = partial(generation.torch_generate, self.model)
        else:
            session = open_session(onnx_file(folder, engine), num_threads)
            self.forward = inference.onnx_forward(session, task)
            build_generate = partial(generation.onnx_generate, session, folder)
        self.run_batch = {"logits": inference.logits_runner(self.forward, self.collate, task)}
        if settings.evaluate.generation is not None:
            generate = build_generate(settings.evaluate.generation, processor)
            self.run_batch["tokens"] = lambda rows: generate(task.prompts(rows, processor))

    def outputs(self, features: Rows, names: Sequence[str], first: int) -> dict[str, list]:
        """Return `logits`, `tokens` or both, one per feature; `first` is the first row's number."""
        return {
            name: list(
                inference.row_outputs(self.run_batch[name], features, self.batch_size, first)
            )
            for name in names
        }

    def predictions_by_chunk(
        self, features: "Dataset", examples: "Dataset"
    ) -> Iterator[tuple[int, list, "Dataset"]]:
        """Yield `(first example, predictions, examples)` of chunks of a split's raw rows."""
        ids = windows.example_ids(features)
        for start in range(0, len(examples), EXAMPLES_PER_CHUNK):
            stop = min(start + EXAMPLES_PER_CHUNK, len(examples))
            first, last = (int(row) for row in np.searchsorted(ids, (start, stop)))
            chunk = features.select(range(first, last))
            chunk_examples = examples.select(range(start, stop))
            fitted = self._with_room(chunk, chunk_examples)
            outputs = self.outputs(fitted, self.task.outputs_needed, first)
            predictions = self.task.decode(outputs, chunk, chunk_examples, self.processor)
            yield start, predictions, chunk_examples

    def _with_room(self, features: "Dataset", examples: "Dataset") -> Rows:
        """Return features with prompts that leave room for what is generated, cut as in `predict`.

        Counts those that did not. Tokenize does not know how many tokens are generated.
        """
        names, most = features.features, self.input_limit[0]
        if "prompt_length" not in names and "prompt_ids" not in names:
            return features
        is_fitted = "prompt_ids" in names
        lengths = map(len, features["prompt_ids"]) if is_fitted else features["prompt_length"]
        long = [i for i, length in enumerate(lengths) if length > most]
        self.num_cut += len(long)
        if not long or not is_fitted:
            return features
        cut = examples.select(long)
        columns = {name: list(cut[name]) for name in self.settings.task.inputs}
        encoded = self.encode(columns, self.processor, mode="predict")
        rows = RowList(features.__getitems__([*range(len(features))]))
        for i, ids in zip(long, encoded["prompt_ids"], strict=True):
            rows[i] = rows[i] | {"prompt_ids": ids}
        return rows

    def predict(self, columns: dict[str, list]) -> dict[str, list]:
        """Return the columns that `temper predict` adds to raw columns.

        Args:
            columns: the task's inputs, converted; without rows, the added columns are empty too.
        """
        num_examples = len(columns[self.task.columns[0]])
        if not num_examples:
            one = {name: [PLACEHOLDERS[kind]] for name, kind in self.settings.task.inputs.items()}
            return {name: [] for name in self._predict(one)[1]}
        features, predicted = self._predict(columns)
        if self.watch is not None:
            self.watch.add(self.task, features, num_examples, predicted)
        return predicted

    def _predict(self, columns: dict[str, list]) -> tuple[RowList, dict[str, list]]:
        """Return the encoded rows and the columns of `predict`."""
        encoded = self.encode(columns, self.processor, mode="predict")
        self.num_cut += sum(length > self.input_limit[0] for length in encoded.pop("full_length"))
        features, examples = RowList.of_columns(encoded), RowList.of_columns(columns)
        name = self.task.prediction_output

        def run(indices: Sequence[int]) -> Sequence[np.ndarray]:
            return self.run_batch[name](features.__getitems__(indices))

        batches = token_batches(features, self.batch_tokens)
        outputs = {name: inference.in_row_order(batches, run, len(features))}
        predicted = self.task.prediction_columns(outputs, features, examples, self.processor)
        return features, predicted


def open_trained(folder: Path, parameters: Params) -> Predictor:
    """Load data/model as evaluate does: with torch, in its batches and threads."""
    return Predictor(
        folder,
        parameters,
        engine="torch",
        batch_size=parameters.evaluate.batch_size,
        num_threads=parameters.determinism.num_threads,
    )


def open_export(
    folder: Path,
    engine: str,
    *,
    num_threads: int,
    trust_code: bool,
    batch_tokens: int = BATCH_TOKENS,
    watches: bool = False,
    prompt: str = "query",
) -> Predictor:
    """Load a folder that the export stage wrote, by this version or an earlier one.

    Args:
        engine: torch, onnx, int8, or auto: onnx, or torch where the export says why it has no ONNX.
        batch_tokens: most padded tokens per forward pass.
        watches: count the facts of rows, for a caller that says where they drift.
        prompt: query or document; which of an embeddings model's prompts anchors get.

    Raises:
        InputError: another stage or program wrote it, it is damaged, it lacks the engine's file, or
            it needs Python code that is not trusted.
    """
    config, settings = stored.read(folder)
    if prompt == "document":
        settings = stored.for_documents(folder, settings)
    engine = choose_engine(folder, engine)
    names = [settings.tokenize.encode, config.get("custom_class") if engine == "torch" else None]
    code = stored.code_files(folder, settings.code, [n for n in names if n], trust_code=trust_code)
    tokenize = settings.tokenize.model_copy(update={"pad_to_multiple_of": None})  # for training
    settings = settings.model_copy(update={"code": code, "tokenize": tokenize})
    with _explaining_damage(folder):
        predictor = Predictor(
            folder, settings, engine=engine, batch_tokens=batch_tokens, num_threads=num_threads
        )
        predictor.watch = drift.watch(folder) if watches else None
    return predictor


@contextmanager
def _explaining_damage(folder: Path) -> Iterator[None]:
    """Turn what libraries raise where they cannot load a folder into an InputError."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # transformers, tokenizers and safetensors raise anything
        reason = f"cannot be loaded ({summary(error):.200}); copy it again, or export again"
        if "trust_remote_code" in str(error):
            reason = "the model needs code of its own (auto_map), which predict never runs"
        raise InputError(f"--model {folder}: {reason}") from error
