"""Rows and label phrases → predictions of a model that was not trained on the task.

Texts go through transformers' `zero-shot-classification` pipeline (a model of natural-language
inference says whether "this text is about <phrase>" follows; Yin et al. 2019), images through
`zero-shot-image-classification` (a CLIP-like model; Radford et al. 2021).
"""

import io
from pathlib import Path
from typing import Any

import numpy as np

from temper.params.schema import ZeroShot

BATCH = 16
KEPT = 0.5  # probability from which one of several labels is given


def predictions(folder: Path, p: ZeroShot, examples: Any, task: Any) -> Any:
    """Return ids (rows,), or sparse booleans (rows, labels) for several labels.

    Args:
        folder: the fetched model.
        p: template and phrases.
        examples: raw rows; a pair of texts is joined by a space.
        task: of the run; gives columns and labels.
    """
    from scipy.sparse import csr_array
    from transformers import pipeline

    phrases = [(p.phrases or {}).get(name, name.replace("_", " ")) for name in task.label_names]
    several = task.params.target[1] == "classes"
    options: dict[str, Any] = {"candidate_labels": phrases, "hypothesis_template": p.template}
    if "image" in task.params.inputs.values():
        evaluator: Any = pipeline("zero-shot-image-classification", model=str(folder), device="cpu")
        rows = [opened(data) for data in examples[task.columns[0]]]
    else:
        evaluator = pipeline("zero-shot-classification", model=str(folder), device="cpu")
        columns = (examples[name] for name in task.columns)
        rows = [" ".join(parts) or " " for parts in zip(*columns, strict=True)]
        options["multi_label"] = several
    place = {phrase: i for i, phrase in enumerate(phrases)}
    probabilities = np.zeros((len(rows), len(phrases)))
    for row, found in zip(probabilities, evaluator(rows, batch_size=BATCH, **options), strict=True):
        if isinstance(found, dict):
            found = [
                {"label": label, "score": score}
                for label, score in zip(found["labels"], found["scores"], strict=True)
            ]
        for one in found:
            row[place[one["label"]]] = one["score"]
    return csr_array(probabilities >= KEPT) if several else probabilities.argmax(-1)


def opened(data: bytes) -> Any:
    """Return an RGB image."""
    from PIL import Image

    return Image.open(io.BytesIO(data)).convert("RGB")
