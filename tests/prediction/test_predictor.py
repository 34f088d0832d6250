"""A stored export opens and predicts."""

import json

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from temper.prediction.predictor import open_export
from tests.helpers.earlier_export import OF_AN_EARLIER_VERSION
from tests.helpers.workspace import ROOT


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
    predictor = open_export(tmp_path, "torch", batch_size=2, num_threads=1, trust_code=False)
    assert predictor.settings.tokenize.overflow == "truncate"
    assert predictor.settings.evaluate.num_worst_examples == 50
    columns = predictor.predict({"sentence1": ["a b"], "sentence2": ["a c"]})
    assert columns["prediction"][0] in ("not_equivalent", "equivalent")
