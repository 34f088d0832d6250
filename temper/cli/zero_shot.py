"""Labels on the command line → predictions of a model that was not trained on them.

`temper predict --zero-shot "spam, not spam" --model models/nli --input new.csv --output scored.csv`
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from temper.core.errors import InputError, summary
from temper.ingest.columns import ColumnBatch
from temper.params.schema import check_phrase_template, label_phrases
from temper.tasks.base import label_predictions
from temper.tasks.base.decisions import DecisionRule

if TYPE_CHECKING:
    from temper.evaluation.zero_shot import Classify

TEMPLATE = "This text is about {}."
IMAGE_TEMPLATE = "a photo of {}"
CHUNK_ROWS = 32  # between two steps of the progress bar: a row takes a pass per label


class Options(NamedTuple):
    """Options of the command."""

    labels: str  # separated by commas
    texts: list[str]  # columns
    image: str | None  # column
    template: str | None


def parse_labels(text: str) -> list[str]:
    """Return the labels, which commas separate.

    Raises:
        InputError: fewer than two, an empty one, or two that are the same.
    """
    labels = [label.strip() for label in text.split(",")]
    if len(labels) < 2 or not all(labels):
        raise InputError(
            f"--zero-shot {text!r}: give at least two labels, such as --zero-shot 'spam, not spam'"
        )
    if len(set(labels)) < len(labels):
        raise InputError(f"--zero-shot {text!r}: a label is given twice")
    return labels


def find_inputs(texts: list[str], image: str | None, columns: list[str]) -> dict[str, str]:
    """Return column → `text` or `image`, of options or of the only column that there is.

    Raises:
        InputError: both kinds are given, or none and there are several columns.
    """
    if texts and image:
        raise InputError("--text and --image: give one or the other")
    if image:
        return {image: "image"}
    if not texts and len(columns) != 1:
        raise InputError(
            f"say which column to read with --text (or --image); there are {', '.join(columns)}"
        )
    return dict.fromkeys(texts or columns, "text")


def open_model(
    folder: Path, options: Options, columns: list[str], num_threads: int
) -> tuple[dict[str, str], Callable[[ColumnBatch], ColumnBatch]]:
    """Load a model.

    Returns: the input columns and their types, and the function from these columns to `prediction`,
        `score` and `score_<label>`.

    Raises:
        InputError: the options do not fit the columns or each other, or the model is not of this
            kind.
    """
    labels = parse_labels(options.labels)
    inputs = find_inputs(options.texts, options.image, columns)
    default = IMAGE_TEMPLATE if options.image else TEMPLATE
    template, phrases = options.template or default, label_phrases(None, labels)
    try:
        check_phrase_template(template)
    except ValueError as error:
        raise InputError(f"--{error}") from None
    classify = _open_classifier(folder, template, num_threads, is_image=bool(options.image))

    def predict(columns: ColumnBatch) -> ColumnBatch:
        if not next(iter(columns.values())):
            return {"prediction": [], "score": [], **{f"score_{label}": [] for label in labels}}
        logits = np.log(np.maximum(classify(columns, phrases), 1e-30))
        rule = DecisionRule(several=False)
        return label_predictions.prediction_columns(list(logits), labels, "class", rule)

    return inputs, predict


def _open_classifier(
    folder: Path, template: str, num_threads: int, *, is_image: bool
) -> "Classify":
    import torch

    from temper.evaluation import zero_shot
    from temper.ingest import base_model

    base_model.check_inference_model(folder, str(folder))
    torch.set_num_threads(num_threads)
    try:
        return zero_shot.open_classifier(folder, template, is_image=is_image)
    except InputError:
        raise
    except Exception as error:  # transformers, tokenizers and safetensors raise anything
        raise InputError(f"--model {folder}: cannot be loaded ({summary(error):.200})") from error
