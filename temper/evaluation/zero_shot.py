"""Rows and label phrases → predictions of a model that was not trained on the task.

Texts go through transformers' `zero-shot-classification` pipeline (a model of natural-language
inference says whether "this text is about <phrase>" follows; Yin et al. 2019), images through
`zero-shot-image-classification` (a CLIP-like model; Radford et al. 2021).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from temper.params.schema import ZeroShot, label_phrases
from temper.tasks.base import Task
from temper.tasks.base.images import open_image

if TYPE_CHECKING:
    from datasets import Dataset
    from scipy.sparse import csr_array

BATCH_SIZE = 16
THRESHOLD = 0.5  # probability from which one of several labels is given


def predictions(
    folder: Path, p: ZeroShot, examples: "Dataset", task: Task
) -> "np.ndarray | csr_array":
    """Return ids (rows,), or sparse booleans (rows, labels) for several labels.

    A pair of texts is joined by a space.
    """
    from scipy.sparse import csr_array
    from transformers import pipeline

    phrases = label_phrases(p.phrases, task.label_names)
    is_multi_label = task.params.target[1] == "classes"
    options: dict[str, Any] = {"candidate_labels": phrases, "hypothesis_template": p.template}
    if "image" in task.params.inputs.values():
        classify: Any = pipeline("zero-shot-image-classification", model=str(folder), device="cpu")
        inputs: list[Any] = [open_image(data) for data in examples[task.columns[0]]]
    else:
        classify = pipeline("zero-shot-classification", model=str(folder), device="cpu")
        columns = task.params.read_texts(examples).values()
        inputs = [" ".join(texts) or " " for texts in zip(*columns, strict=True)]
        options["multi_label"] = is_multi_label
    outputs = classify(inputs, batch_size=BATCH_SIZE, **options)
    probabilities = np.array([phrase_probabilities(output, phrases) for output in outputs])
    return csr_array(probabilities >= THRESHOLD) if is_multi_label else probabilities.argmax(-1)


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
