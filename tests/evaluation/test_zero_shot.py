"""Models that were never trained on the task score its rows, beside the baselines."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from stages import download
from temper import params
from temper.core import arrow, artifacts
from temper.core.errors import InputError
from temper.evaluation import zero_shot
from temper.params import schema
from temper.tasks.base import registry
from tests.helpers import nli, stage_runs
from tests.helpers.evaluation import untrained

NLI = {"name": "nli", "revision": None, "template": "This text is {}.", "phrases": None}


@pytest.fixture
def scored(prepare, write_params, monkeypatch):
    """Return a function that evaluates with zero-shot models and gives their scores."""

    def run(**zero) -> dict:
        monkeypatch.setenv("TEMPER_TRACKING", "off")
        write_params()
        if not Path("nli").exists():
            nli.write_model(Path("nli"))
        parameters = prepare(
            model__files={"sample": "data/sample/model", "nli": "nli"},
            evaluate__zero_shot={"judge": NLI | zero},
            evaluate__bootstrap_samples=20,
        )
        target = Path("data/zero_shot/judge")
        download.main("zero_shot", Path("data/files/model"), target)
        untrained(parameters)
        stage_runs.evaluate()
        return artifacts.read_json(Path("data/evaluation/metrics.json"))["baseline"]

    return run


def by_hand(template: str, phrases: list[str], examples) -> np.ndarray:
    """Return the ids whose hypothesis is entailed most."""
    texts = (f"{row['sentence1']} {row['sentence2']}" for row in examples)
    hypotheses = [template.format(phrase) for phrase in phrases]
    return nli.entailment(Path("nli"), texts, hypotheses).argmax(1)


def test_predicts_the_entailed_label(scored):
    """Predictions are computed from the model itself; the score is beside the baselines."""
    found = scored()["zero_shot_judge"]
    raw = arrow.load(Path("data/raw"))["test"]
    expected = by_hand("This text is {}.", ["not equivalent", "equivalent"], raw)
    accuracy = (expected == np.array(raw["label"])).mean()
    assert found["test"]["accuracy"] == pytest.approx(accuracy, abs=1e-6)
    assert "zero shot judge" in Path("data/evaluation/report.html").read_text()


def test_template_and_phrases_make_the_hypotheses(scored):
    """Other words give other hypotheses, as computed by hand."""
    phrases = {"equivalent": "eleven boxes", "not_equivalent": "in Oslo before summer"}
    scored(template="Anna opened {}.", phrases=phrases)
    parameters = params.load()
    raw = arrow.load(Path("data/raw"))["test"]
    p = parameters.evaluate.zero_shot["judge"]
    task = registry.load(parameters, arrow.load(Path("data/tokenized"))["test"].features)
    found = zero_shot.predictions(Path("data/zero_shot/judge"), p, raw, task)
    expected = by_hand("Anna opened {}.", ["in Oslo before summer", "eleven boxes"], raw)
    np.testing.assert_array_equal(found, expected)


def test_multi_label_rows_score_each_label_alone(scored, write_params):
    """Each label is entailed or not, whatever the others are."""
    write_params()
    nli.write_model(Path("nli"))
    parameters = write_params(
        task__problem_type="multi_label_classification",
        evaluate__positive_label=None,
        evaluate__threshold=0.5,
    )
    task = registry.load(parameters)
    task.label_names = ["boxes", "Oslo", "summer"]
    from datasets import Dataset

    examples = Dataset.from_dict({"sentence1": ["Anna left."] * 2, "sentence2": ["", "Oslo"]})
    p = schema.ZeroShot.model_validate(NLI)
    together = zero_shot.predictions(Path("nli"), p, examples, task).toarray()
    for i, name in enumerate(task.label_names):
        task.label_names = [name]
        alone = zero_shot.predictions(Path("nli"), p, examples, task).toarray()
        np.testing.assert_array_equal(alone[:, 0], together[:, i])
        task.label_names = ["boxes", "Oslo", "summer"]


def test_clip_model_classifies_images(tmp_path):
    """The predictions are those of the model's own similarities."""
    import torch
    from transformers import (
        CLIPConfig,
        CLIPImageProcessorPil,
        CLIPModel,
        CLIPProcessor,
        PreTrainedTokenizerFast,
    )

    from tests.helpers.samples import load, rows_of
    from tests.helpers.workspace import ROOT

    torch.manual_seed(1)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(ROOT / "data/sample/causal_lm/model")
    text = {"vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 32}
    small = {"num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config=text | small | {"eos_token_id": tokenizer.eos_token_id},
        vision_config={"hidden_size": 32, "intermediate_size": 32, "image_size": 32}
        | small
        | {"patch_size": 8},
        projection_dim=16,
    )
    model = CLIPModel(config).eval()
    size = {"height": 32, "width": 32}
    images = CLIPImageProcessorPil(size=size, crop_size=size)
    model.save_pretrained(tmp_path)
    CLIPProcessor(images, tokenizer).save_pretrained(tmp_path)
    task, _, _ = load("recipes/sample-image_classification.yaml")
    task.label_names = ["circle", "cross", "square"]
    rows = rows_of(ROOT / "data/sample/image_classification/test.parquet", 6)
    from datasets import Dataset

    p = schema.ZeroShot.model_validate(NLI | {"template": "a {} ."})
    found = zero_shot.predictions(tmp_path, p, Dataset.from_list(rows), task)
    texts = tokenizer(
        [f"a {name} ." for name in task.label_names], padding=True, return_tensors="pt"
    )
    pixels = images([zero_shot.open_image(row["image"]) for row in rows], return_tensors="pt")
    with torch.no_grad():
        probabilities = model(
            input_ids=texts["input_ids"],
            attention_mask=texts["attention_mask"],
            pixel_values=pixels["pixel_values"],
        ).logits_per_image
    np.testing.assert_array_equal(found, probabilities.argmax(-1).numpy())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"template": "no place"}, "needs one {} for the phrase"),
        ({"template": "{} in {topic}"}, "needs one {} for the phrase"),
        ({"template": "{} {}"}, "needs one {} for the phrase"),
        ({"template": "a {{}}"}, "needs one {} for the phrase"),
        ({"template": "a {!r}"}, "needs one {} for the phrase"),
        ({"template": "a {} }"}, "needs one {} for the phrase"),
        ({"phrases": {"equivalnt": "the same"}}, "did you mean 'equivalent'"),
    ],
)
def test_names_mistakes_before_downloading(write_params, change, message):
    """A template without a placeholder and a phrase for an unknown label are refused."""
    with pytest.raises(InputError) as caught:
        write_params(evaluate__zero_shot={"judge": NLI | change})
    assert message in str(caught.value)


def test_refuses_weights_that_are_not_safetensors(write_params):
    """Nothing is copied that could run code."""
    write_params(
        model__files={"sample": "data/sample/model", "nli": "nli"},
        evaluate__zero_shot={"judge": NLI},
    )
    shutil.copytree("data/sample/model", "nli")
    with pytest.raises(InputError, match="must be safetensors"):
        download.main("zero_shot", Path("data/files/model"), Path("data/zero_shot/judge"))
    assert not Path("data/zero_shot/judge").exists()
