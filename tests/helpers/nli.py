"""A small model of natural-language inference, and what it says, a text at a time."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np

LABELS = ("contradiction", "neutral", "entailment")


def write_model(folder: Path) -> None:
    """Write a model with weights of its own and the sample's tokenizer."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    shutil.copytree("data/sample/model", folder)
    torch.manual_seed(5)
    config = AutoConfig.from_pretrained("data/sample/model")
    config.id2label = dict(enumerate(LABELS))
    config.label2id = {name: i for i, name in config.id2label.items()}
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)


def entailment(folder: Path, texts: Iterable[str], hypotheses: list[str]) -> np.ndarray:
    """Return the logits of entailment, (texts, hypotheses)."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    processor = AutoTokenizer.from_pretrained(folder)
    found = []
    for text in texts:
        pairs = [(text, hypothesis) for hypothesis in hypotheses]
        inputs = processor(pairs, padding=True, truncation="only_first", return_tensors="pt")
        with torch.no_grad():
            found.append(model(**inputs).logits[:, LABELS.index("entailment")].numpy())
    return np.array(found)
