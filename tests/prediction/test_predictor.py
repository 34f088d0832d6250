"""A stored export opens and predicts."""

import json

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from temper.prediction.predictor import open_export
from tests.helpers.workspace import ROOT

OF_AN_EARLIER_VERSION = {  # in config.json, with the names that keys had then
    "task": {
        "name": "sequence_classification",
        "problem_type": "single_label_classification",
        "text": ["sentence1", "sentence2"],
        "label": "label",
        "labels": ["not_equivalent", "equivalent"],
        "label_separator": None,
    },
    "tokenize": {
        "max_length": 64,
        "long": "truncate",
        "padding": "dynamic",
        "pad_to_multiple_of": 8,
        "files": {},
        "translators": {},
    },
    "evaluate": {
        "batch_size": 128,
        "positive_label": "equivalent",
        "threshold": 0.5,
        "zero_shot": {},
        "bootstrap_samples": 1000,
        "slices": [],
        "num_worst": 50,
    },
    "code": {},
}


def test_opens_an_export_of_an_earlier_version(tmp_path):
    """Renamed keys, and a threshold that is refused in params.yaml now."""
    source = ROOT / "data/sample/model"
    config = AutoConfig.from_pretrained(source)
    config.id2label = {0: "not_equivalent", 1: "equivalent"}
    config.label2id = {"not_equivalent": 0, "equivalent": 1}
    torch.manual_seed(1)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(source).save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"temper": OF_AN_EARLIER_VERSION}))
    predictor = open_export(tmp_path, "torch", batch_size=2, num_threads=1)
    assert predictor.settings.tokenize.overflow == "truncate"
    assert predictor.settings.evaluate.num_worst_examples == 50
    columns = predictor.predict({"sentence1": ["a b"], "sentence2": ["a c"]})
    assert columns["prediction"][0] in ("not_equivalent", "equivalent")
