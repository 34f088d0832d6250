"""`temper predict --zero-shot` answers with labels that no model was trained on."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from temper.cli import predict
from temper.core.errors import InputError
from tests.helpers import nli
from tests.helpers.archives import columns_of

TEXTS = [f"Anna opened {i} boxes in Oslo." for i in range(40)]
ROWS = "id,text\n" + "".join(f"{i},{text}\n" for i, text in enumerate(TEXTS))


@pytest.fixture
def run(write_params):
    """Go to a folder with a model and rows; return a function from options to what is written."""
    write_params()
    nli.write_model(Path("nli"))
    Path("new.csv").write_text(ROWS)

    def score(labels="boxes, in Oslo", model="nli", output="scored.jsonl", **options):
        paths = Path(model), Path("new.csv"), Path(output)
        predict.predict(*paths, num_threads=1, zero_shot=labels, **options)
        return columns_of(Path(output))

    return score


def test_writes_the_entailed_label_and_the_probability_of_each(run):
    """They are the softmax of the model's own logits of entailment; columns and order are kept."""
    found = run(text=["text"], template="Anna opened {}.")
    logits = nli.entailment(Path("nli"), TEXTS, ["Anna opened boxes.", "Anna opened in Oslo."])
    probabilities = softmax(logits, axis=1)
    assert found["id"] == [str(i) for i in range(40)]
    np.testing.assert_allclose(found["score_boxes"], probabilities[:, 0], atol=2e-6)
    np.testing.assert_allclose(found["score"], probabilities.max(1), atol=2e-6)
    names = np.array(["boxes", "in Oslo"])
    assert found["prediction"] == names[probabilities.argmax(1)].tolist()


def test_the_only_column_needs_no_name(run):
    """Several texts of a row are joined by a space."""
    with pytest.raises(InputError, match=r"which column to read with --text .* there are id, text"):
        run()
    joined = run(text=["id", "text"])
    Path("new.csv").write_text("text\n" + "".join(f"{i} {t}\n" for i, t in enumerate(TEXTS)))
    assert run()["score"] == joined["score"]
    Path("new.csv").write_text("text\n")
    assert run(output="none.csv")["score_boxes"] == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": "spam"}, "at least two labels"),
        ({"labels": "spam,,ham"}, "at least two labels"),
        ({"labels": "spam, spam"}, "a label is given twice"),
        ({"text": ["words"]}, r"no column 'words'"),
        ({"text": ["text"], "image": "id"}, "--text and --image: give one or the other"),
        ({"text": ["text"], "template": "about it"}, "--template 'about it' needs one {} for"),
        ({"text": ["text"], "engine": "onnx"}, "are for an export, not for --zero-shot"),
        ({"text": ["text"], "batch_tokens": 5}, "are for an export, not for --zero-shot"),
        ({"text": ["text"], "labels": None}, "are for --zero-shot; it is not given"),
        ({"text": ["text"], "model": "data/sample/model"}, "safetensors"),
        ({"image": "id"}, "needs a model like CLIP or SigLIP; found bert"),
    ],
)
def test_mistakes_are_named_before_anything_is_written(run, options, message):
    """Nothing is written."""
    with pytest.raises(InputError, match=message):
        run(**options)
    assert not Path("scored.jsonl").exists()


def test_a_model_that_was_not_trained_for_inference_is_refused(run):
    """transformers would take its last output for entailment, with new weights if it has none."""
    config = Path("nli/config.json")
    config.write_text(config.read_text().replace("entailment", "positive"))
    with pytest.raises(InputError, match=r"label that begins with 'entail'; it has contradiction"):
        run(text=["text"])
