"""Raw rows → a vector each, by the checkpoint before training, which has seen none of the labels.

Where there are no pretrained weights: TF-IDF of texts, pixels of images.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from temper import inference
from temper.core import artifacts
from temper.core.errors import InputError
from temper.evaluation import baselines
from temper.inference import RowList
from temper.models import loading
from temper.params.schema import Params
from temper.prediction.batches import BATCH_TOKENS, token_batches
from temper.tasks.base import Task, arrays, images, registry
from temper.tasks.base.arrays import Batch, Collator
from temper.tasks.base.texts import encode_texts

if TYPE_CHECKING:
    from torch import nn

BASE = Path("data/base")
CHUNK = 1000  # rows that are encoded at once
Examples = Mapping[str, Sequence[Any]]  # column → a value per row


def of_splits(
    parameters: Params, splits: Sequence[Examples], base: Path = BASE
) -> tuple[list[Any], str]:
    """Return a matrix (rows, size) per split, dense or sparse, and what the vectors are.

    TF-IDF counts the words of the first split. A pair has its texts' vectors, the distance of these
    and their product.

    Raises:
        InputError: data/base is missing, or of another model than params.yaml names.
    """
    task = registry.load(parameters)
    why = why_not_pretrained(parameters, base)
    if "image" in parameters.task.inputs.values():
        processor = registry.load_processor(base / "processor", task)
        encoded = [_encoded_images(task, processor, split) for split in splits]
        if why is None:
            embedder = Embedder(base / "weights", lambda c: task.collator(processor, c))
            return [embedder.embed(rows) for rows in encoded], _description(parameters)
        pixels = [[baselines.thumbnail_pixels(row) for row in rows] for rows in encoded]
        return [np.stack(rows) for rows in pixels], f"pixels ({why})"
    texts = [[list(c) for c in parameters.task.read_texts(split).values()] for split in splits]
    if why is not None:
        others = {str(i): columns for i, columns in enumerate(texts[1:])}
        first, found = baselines.tfidf(texts[0], others)
        return [first, *found.values()], f"TF-IDF of words ({why})"
    tokenizer = registry.load_processor(base / "processor", task)
    embedder = Embedder(
        base / "weights", lambda _: lambda rows: arrays.pad_texts(rows, tokenizer, parameters)
    )
    max_length = parameters.tokenize.max_length
    matrices = []
    for columns in texts:
        encoded = [encode_texts(tokenizer, [column], max_length) for column in columns]
        parts = [embedder.embed(RowList.of_columns(rows)) for rows in encoded]
        matrices.append(join(parts))
    return matrices, _description(parameters)


def join(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return the vectors of a text; of a pair both, their distance and their product."""
    if len(parts) == 2:
        return np.hstack([*parts, abs(parts[0] - parts[1]), parts[0] * parts[1]])
    return parts[0]


def _description(parameters: Params) -> str:
    return f"vectors of {parameters.model.name} before training"


def why_not_pretrained(parameters: Params, base: Path) -> str | None:
    """Return why data/base has no weights that give vectors; None: it has.

    Raises:
        InputError: as `check_base`.
    """
    check_base(parameters, base)
    if artifacts.read_json(base / "summary.json")["from_scratch"]:
        return "the model starts from scratch"
    if parameters.model.custom_class is not None or loading.is_temper_model(base / "weights"):
        return f"{parameters.model.name} is of no class of transformers"
    return None


def check_base(parameters: Params, base: Path) -> None:
    """Check that data/base is there, and is the model of params.yaml.

    Raises:
        InputError: it is missing, or another model.
    """
    try:
        summary = artifacts.read_json(base / "summary.json")
    except OSError:
        raise InputError(f"{base} is missing; run dvc repro download@model") from None
    if summary["name"] != parameters.model.name:
        raise InputError(
            f"{base} is {summary['name']}, but model.name is {parameters.model.name}; "
            "run dvc repro download@model"
        )


def _encoded_images(task: Task, processor: Any, split: Examples) -> RowList:
    column = task.columns[0]
    rows = RowList()
    for start in range(0, len(split[column]), CHUNK):
        chunk = {column: list(split[column][start : start + CHUNK])}
        rows += RowList.of_columns(task.encode(chunk, processor, mode="predict"))
    return rows


def thumbnail(data: bytes) -> np.ndarray:
    """Return the pixels of an image's thumbnail, (values,) from 0 to 1."""
    from PIL import Image

    size = (baselines.THUMBNAIL_SIZE, baselines.THUMBNAIL_SIZE)
    pixels = images.open_image(data).resize(size, Image.Resampling.BOX)
    return np.asarray(pixels, dtype=np.float64).ravel() / 255


class Embedder:
    """A pretrained network without its head, in evaluation mode.

    Args:
        collator: from the network's config to what makes batches of encoded rows.
    """

    def __init__(self, weights: Path, collator: Any):
        self.model: nn.Module = loading.load(weights, "AutoModel").eval()
        self.collate: Collator = collator(self.model.config)

    def embed(self, rows: RowList) -> np.ndarray:
        """Return unit vectors: the mean of the last layer over a text's tokens, a picture's parts.

        (rows, hidden) float64, in the order of the rows.
        """
        batches: Iterator[Sequence[int]] = token_batches(rows, BATCH_TOKENS)

        def run(indices: Sequence[int]) -> Sequence[np.ndarray]:
            return list(self._forward(self.collate(rows.__getitems__(indices))))

        outputs = np.stack(inference.in_row_order(batches, run, len(rows))).astype(np.float64)
        return outputs / np.maximum(np.linalg.norm(outputs, axis=1, keepdims=True), 1e-12)

    def _forward(self, batch: Batch) -> np.ndarray:
        import torch

        from temper.models.pooling import pool_tokens

        inputs = {name: torch.from_numpy(v) for name, v in batch.items() if name != "labels"}
        with torch.inference_mode():
            hidden = self.model(**inputs).last_hidden_state
            if hidden.ndim == 4:  # of a convolutional network: (batch, channels, height, width)
                hidden = hidden.flatten(2).transpose(1, 2)
            return pool_tokens(hidden, inputs.get("attention_mask"), "mean").float().numpy()
