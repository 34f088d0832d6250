"""Every recipe is a valid parameter file, and its form works on small data."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from stages import train
from temper import params
from temper.core import yaml_file
from tests.helpers.samples import rows_of, write_rows
from tests.helpers.workspace import ROOT, change, load_data

RECIPES = sorted(path.stem for path in (ROOT / "recipes").glob("*.yaml"))
KNOWN = [name for name in RECIPES if not name.startswith("sample-")]
GLUE = ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli")
OTHERS = ("imdb", "go_emotions", "conll2003", "squad", "squad_v2", "swag", "xsum", "beans")
MODELS = {"seq2seq_lm": "seq2seq_lm/model", "causal_lm": "causal_lm/model"} | {
    "image_classification": "image_classification/model"
}
TEXT = "Anna opened eleven boxes in Oslo. She closed two."
SPAN = {"text": ["Oslo"], "answer_start": [TEXT.index("Oslo")]}
NOTHING = {"text": [], "answer_start": []}


def text_rows(p: params.Params, labels: list) -> list[dict]:
    return [
        dict.fromkeys(p.task.text, f"{TEXT} {i}") | {p.task.label: labels[i % len(labels)]}
        for i in range(12)
    ]


def rows_like(name: str, p: params.Params) -> list[dict]:
    """Return rows with the columns and kinds of value of a recipe's data."""
    if name == "stsb":
        return text_rows(p, [0.0, 2.5, 5.0])
    if name == "go_emotions":
        return text_rows(p, [["joy"], ["joy", "love"], []])
    if p.task.name == "sequence_classification":
        return text_rows(p, list(p.task.labels or ()))
    return {
        "token_classification": [
            {"tokens": ["Anna", "left", "Oslo"], "ner_tags": ["B-PER", "O", "B-LOC"]},
            {"tokens": ["Petrov", "and", "Bank"], "ner_tags": ["B-ORG", "I-ORG", "B-MISC"]},
        ],
        "question_answering": [
            {"question": f"Where {i}?", "context": TEXT, "answers": answers}
            for i, answers in enumerate([SPAN, SPAN | ({} if name == "squad" else NOTHING)])
        ],
        "multiple_choice": [
            {"sent1": f"Anna came {i}.", "sent2": "She", "label": i % 4}
            | {f"ending{n}": f"did {n}." for n in range(4)}
            for i in range(4)
        ],
        "masked_lm": [{"text": ""}, {"text": TEXT}, {"text": " = Oslo = \n"}],
        "causal_lm": [{"text": ""}, {"text": TEXT}, {"text": " = Oslo = \n"}],
        "seq2seq_lm": [
            {"document": TEXT, "summary": "Boxes were opened."},
            {"document": "Anna left.", "summary": "She left."},
        ]
        if name == "xsum"
        else [{"translation": {"en": TEXT, "ro": "Anna a deschis cutii."}}] * 2,
        "image_classification": [
            {"image": {"bytes": row["image"], "path": None}, "labels": label}
            for row, label in zip(
                rows_of(ROOT / "data/sample/image_classification/test.parquet", 3),
                ("angular_leaf_spot", "bean_rust", "healthy"),
                strict=True,
            )
        ],
    }[p.task.name]


def test_well_known_data_sets_have_recipes():
    """GLUE's nine are there, and one of every other kind."""
    assert set(GLUE) | set(OTHERS) <= set(RECIPES)
    assert {f"sample-{task}" for task in params.TASKS} <= set(RECIPES)
    matched = params.load(ROOT / "recipes/mnli.yaml").data.hub.splits
    assert set(matched.values()) == {"train", "validation_matched", "validation_mismatched"}


@pytest.mark.parametrize("name", KNOWN)
def test_recipe_pins_commits_and_cites_a_score(name):
    """Data and model are at a commit, and the score has a source."""
    p = params.load(ROOT / f"recipes/{name}.yaml")
    for revision in (p.data.hub.revision, p.model.revision):
        assert re.fullmatch("[0-9a-f]{40}", revision or "")
    text = (ROOT / f"recipes/{name}.yaml").read_text()
    assert "\n# reported: " in text
    assert "\n# source: " in text or "reported: none" in text


@pytest.mark.parametrize("name", KNOWN)
def test_recipe_works_on_small_local_data(name, tmp_path, monkeypatch):
    """Its columns, labels and parameters take small local data through training."""
    tree = yaml.load((ROOT / f"recipes/{name}.yaml").read_text(), Loader=yaml_file.Loader)
    p = params.load(ROOT / f"recipes/{name}.yaml")
    monkeypatch.chdir(tmp_path)
    suffix = "parquet" if p.task.name == "image_classification" else "jsonl"
    splits = [*(p.data.hub.splits or ("train", "validation", "test"))]
    for split in splits:
        write_rows(Path(f"{split}.{suffix}"), rows_like(name, p))
    model = "data/sample/" + MODELS.get(p.task.name, "model")
    shutil.copytree(ROOT / model, tmp_path / "model")
    sizes = {"n_positions": 1024} if p.task.name == "causal_lm" else {}
    sizes = {"max_position_embeddings": 1024} if model.endswith("sample/model") else sizes
    small = {
        "data.source": "files",
        "data.files": {split: f"{split}.{suffix}" for split in splits},
        "data.hub": {"name": None, "config": None, "revision": None, "splits": {}},
        "data.split": {"validation": 0.5, "test": 0.0, "seed": 7},
        "model.name": "local",
        "model.revision": None,
        "model.files": {"local": "model"},
        "model.from_scratch": True,
        "model.config": sizes,
        "train.epochs": 1,
        "train.batch_size": 2,
        "train.per_device_batch_size": None,
        "train.precision": "fp32",
    }
    if "validation" not in splits:
        small["data.files"]["validation"] = small["data.files"]["test"]
    tokenizer = tmp_path / "model/tokenizer_config.json"
    if tokenizer.exists():
        tokenizer.write_text(
            re.sub(r'"model_max_length": \d+', '"model_max_length": 1024', tokenizer.read_text())
        )
    Path("params.yaml").write_text(yaml.safe_dump(change(tree, small), sort_keys=False))
    parameters = load_data(params.load())
    Path("work").mkdir()
    data = train.arrow.load(Path("data/tokenized"))
    engine = train.fine_tune(parameters, data, Path("data/base"), Path("work"), lambda *_: None)
    assert engine.history.train
    assert parameters.train.metric_for_best_model in engine.history.validation[-1]


def test_sample_recipe_equals_params_yaml():
    """A fresh clone uses `sample-sequence_classification`."""
    one, other = (
        yaml.safe_load((ROOT / path).read_text())
        for path in ("params.yaml", "recipes/sample-sequence_classification.yaml")
    )
    assert one == other
