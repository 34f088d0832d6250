"""Rows and label phrases → predictions of a model that was not trained on the task, the baseline
of `evaluate.zero_shot` and what `temper predict --zero-shot` writes.

Texts go through transformers' `zero-shot-classification` pipeline (a model of natural-language
inference says whether "this text is about <phrase>" follows; Yin et al. 2019), images through
`zero-shot-image-classification` (a CLIP-like model; Radford et al. 2021).
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from temper.core.errors import InputError
from temper.params.schema import ZeroShot, label_phrases
from temper.tasks.base import Task
from temper.tasks.base.images import open_image

if TYPE_CHECKING:
    from datasets import Dataset
    from scipy.sparse import csr_array

Classify = Callable[[Mapping[str, Any], list[str]], np.ndarray]

BATCH_SIZE = 16
THRESHOLD = 0.5  # probability from which one of several labels is given


def predictions(
    folder: Path, p: ZeroShot, examples: "Dataset", task: Task
) -> "np.ndarray | csr_array":
    """Return ids (rows,), or sparse booleans (rows, labels) for several labels."""
    from scipy.sparse import csr_array

    phrases = label_phrases(p.phrases, task.label_names)
    is_multi_label = task.params.target_type == "classes"
    is_image = "image" in task.params.inputs.values()
    classify = open_classifier(folder, p.template, is_image=is_image, multi_label=is_multi_label)
    found = classify(task.params.read_texts(examples), phrases)
    return csr_array(found >= THRESHOLD) if is_multi_label else found.argmax(-1)


def open_classifier(
    folder: Path, template: str, *, is_image: bool, multi_label: bool = False
) -> Classify:
    """Load a model; return the function from columns and phrases to probabilities.

    These are (rows, phrases); those of a row sum to 1 unless `multi_label`, where each phrase is
    entailed or not by itself. Several texts of a row are joined by a space.

    Args:
        folder: of the model.
        template: a sentence in which {} stands for a phrase.
        is_image: whether the only column holds images.
        multi_label: whether a row may have several labels.

    Raises:
        InputError: the model is not one of natural-language inference, or like CLIP for images.
    """
    from transformers import AutoConfig, pipeline

    options: dict[str, Any] = {"hypothesis_template": template}
    config = AutoConfig.from_pretrained(folder)
    if is_image:
        check_image_model(folder, config)
        run: Any = pipeline("zero-shot-image-classification", model=str(folder), device="cpu")
    else:
        options["multi_label"] = multi_label
        check_inference_labels(folder, config)
        run = pipeline("zero-shot-classification", model=str(folder), device="cpu")

    def classify(columns: Mapping[str, Any], phrases: list[str]) -> np.ndarray:
        if is_image:
            (images,) = columns.values()
            rows: list[Any] = [open_image(data) for data in images]
        else:
            rows = [" ".join(parts) or " " for parts in zip(*columns.values(), strict=True)]
        outputs = run(rows, batch_size=BATCH_SIZE, candidate_labels=phrases, **options)
        return np.array([phrase_probabilities(output, phrases) for output in outputs])

    return classify


def check_inference_labels(folder: Path, config: Any) -> None:
    """Check that a model says which of its outputs means that the hypothesis follows.

    Raises:
        InputError: it does not; transformers would take the last output without a word.
    """
    labels = [str(label) for label in (config.id2label or {}).values()]
    if not any(label.lower().startswith("entail") for label in labels):
        raise InputError(
            f"{folder}: zero-shot classification of texts needs a model of natural-language "
            f"inference, with a label that begins with 'entail'; it has {', '.join(labels)}"
        )


def check_image_model(folder: Path, config: Any) -> None:
    """Check that a model compares images with texts.

    Raises:
        InputError: it does not.
    """
    from transformers.models.auto import modeling_auto

    known = modeling_auto.MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES
    if config.model_type not in known:
        raise InputError(
            f"{folder}: zero-shot classification of images needs a model like CLIP or SigLIP; "
            f"found {config.model_type}"
        )


def phrase_probabilities(output: Any, phrases: list[str]) -> list[float]:
    """Return the probability of each phrase from what a pipeline gives for one row.

    That is `{"labels": [...], "scores": [...]}` of texts, or `[{"label": …, "score": …}, …]` of
    images, the likeliest first.
    """
    if isinstance(output, dict):
        by_phrase = dict(zip(output["labels"], output["scores"], strict=True))
    else:
        by_phrase = {label["label"]: label["score"] for label in output}
    return [by_phrase[phrase] for phrase in phrases]
