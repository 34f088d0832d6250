"""Vectors of a pretrained network are the means of its last layer over a text's tokens."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel, BertTokenizerFast

from temper.data_loop import vectors

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TEXTS = ["a film that one forgets on the way home", "late", "a parcel late on the way"]
WORDS = [*SPECIAL, *dict.fromkeys(" ".join(TEXTS).split())]


def save_model(folder: Path) -> None:
    """Write a data/base with a network of two small layers."""
    (folder / "processor").mkdir(parents=True)
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(WORDS))
    BertTokenizerFast(str(vocabulary)).save_pretrained(folder / "processor")
    torch.manual_seed(0)
    sizes: Any = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(vocab_size=len(WORDS), num_hidden_layers=2, **sizes)
    BertModel(config).save_pretrained(folder / "weights")
    summary = {"name": "sample", "from_scratch": False}
    (folder / "summary.json").write_text(json.dumps(summary))


def expected(folder: Path, text: str) -> np.ndarray:
    """Compute a text's unit vector alone, without padding."""
    tokens = AutoTokenizer.from_pretrained(folder / "processor")(text, return_tensors="pt")
    with torch.inference_mode():
        hidden = AutoModel.from_pretrained(folder / "weights").eval()(**tokens).last_hidden_state
    mean = hidden[0].mean(0).double().numpy()
    return mean / np.linalg.norm(mean)


def test_pretrained_vectors_are_those_of_each_text_alone(project):
    """In one batch with longer ones; a pair has both, their distance and their product."""
    parameters = project(files={"train": "x.csv"})
    save_model(Path("base"))
    (found,), judge = vectors.of_splits(parameters, [{"text": TEXTS}], Path("base"))
    alone = np.stack([expected(Path("base"), text) for text in TEXTS])
    np.testing.assert_allclose(found, alone, atol=1e-5)
    assert judge == "vectors of sample before training"
    others = TEXTS[::-1]
    pair = project({"text": ["text", "other"]}, files={"train": "x.csv"})
    columns = {"text": TEXTS, "other": others}
    (found,), _ = vectors.of_splits(pair, [columns], Path("base"))
    wanted = np.hstack([alone, alone[::-1], abs(alone - alone[::-1]), alone * alone[::-1]])
    np.testing.assert_allclose(found, wanted, atol=1e-5)
