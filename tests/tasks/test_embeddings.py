"""Embeddings: texts are encoded alone, pooled as the checkpoint says, and pairs may have scores."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from sentence_transformers import SentenceTransformer

from temper import params
from temper.cli import predict
from temper.core import artifacts, yaml_file
from temper.core.errors import InputError
from temper.ingest import sentence_transformers
from temper.prediction import stored
from temper.tasks.base import registry
from tests.helpers import stage_runs
from tests.helpers.samples import load, rows_of
from tests.helpers.workspace import ROOT, change, link_code, load_data

RECIPE = "recipes/sample-embeddings.yaml"
PROMPTS = {"query": "which one? ", "document": "she said: "}
SCORED = {
    "task": {
        "name": "embeddings",
        "text": ["anchor", "other"],
        "score": "score",
        "prompts": PROMPTS,
    },
    "train.epochs": 3,
    "train.evaluate_every": "epoch",
    "train.metric_for_best_model": "spearman",
    "evaluate.bootstrap_samples": 50,
    "export.max_score_drop": 1.0,
}


def test_texts_of_a_row_are_encoded_alone():
    """Predict encodes the anchor without a positive, and the negative is not asked for."""
    task, processor, _ = load(RECIPE)
    given = {"anchor": ["Anna came.", "No"], "positive": ["She was there."] * 2}
    given["negative"] = ["She left."] * 2
    columns = task.encode(given, processor, mode="train")
    expected = [processor(given[name][0])["input_ids"] for name in given]
    assert columns["input_ids"][0] == expected
    assert columns["length"][0] == max(map(len, expected))
    assert columns["labels"] == [True, True]
    alone = task.encode({"anchor": given["anchor"]}, processor, mode="predict")
    assert alone["input_ids"] == [[processor(text)["input_ids"]] for text in given["anchor"]]
    assert "labels" not in alone
    assert list(task.params.for_prediction().inputs) == ["anchor"]
    assert list(task.params.inputs) == ["anchor", "negative"]


def test_texts_get_their_prompts():
    """Anchors that of queries, the others that of documents, also where an anchor is one."""
    task, processor, _ = load(RECIPE, task__prompts=PROMPTS)
    given = {"anchor": ["Anna came."], "positive": ["She left."], "negative": ["No."]}
    prompts = [PROMPTS["query"], PROMPTS["document"], PROMPTS["document"]]
    wanted = [processor(p + given[n][0])["input_ids"] for p, n in zip(prompts, given, strict=True)]
    assert task.encode(given, processor, mode="train")["input_ids"] == [wanted]
    assert task.encode(given, processor, mode="predict")["input_ids"] == [wanted[:1]]
    settings = stored.for_documents(Path("export"), task.settings)
    assert settings.task.prompted(given)[0] == [PROMPTS["document"] + "Anna came."]
    plain, _, _ = load(RECIPE)
    with pytest.raises(InputError, match="--prompt document: export is no embeddings model of"):
        stored.for_documents(Path("export"), plain.settings)


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_a_checkpoints_pooling_is_kept(pooling, tmp_path):
    """It is read from either format of sentence-transformers; `task.pooling` comes first."""
    from sentence_transformers.sentence_transformer.modules import Pooling

    task, _, config = load(RECIPE)
    for legacy in (True, False):
        folder = tmp_path / str(legacy)
        (folder / "1_Pooling").mkdir(parents=True)
        module = {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}
        artifacts.write_json(folder / "modules.json", [module])
        names = {"mean": "mean_tokens", "cls": "cls_token", "max": "max_tokens"}
        settings = {"word_embedding_dimension": 8, f"pooling_mode_{names[pooling]}": True}
        if not legacy:
            settings = {"embedding_dimension": 8, "pooling_mode": pooling}
        artifacts.write_json(folder / "1_Pooling/config.json", settings)
        sentence_transformers.set_pooling(config, folder, task.params, "a")
        assert config.sentence_pooling == pooling
    hidden, mask = torch.randn(3, 5, 8), torch.tensor([[1] * 5, [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]])
    reference = Pooling(8, pooling_mode=pooling)
    expected = reference({"token_embeddings": hidden, "attention_mask": mask})
    outputs = type("Outputs", (), {"last_hidden_state": hidden})
    found = task.for_model(config).logits(outputs, {"attention_mask": mask})
    norm = torch.nn.functional.normalize
    torch.testing.assert_close(found, norm(expected["sentence_embedding"], dim=-1))
    chosen = task.params.model_copy(update={"pooling": "max"})
    sentence_transformers.set_pooling(config, folder, chosen, "a")
    assert config.sentence_pooling == "max"


@pytest.fixture
def scored(tmp_path, monkeypatch) -> params.Params:
    """Train, evaluate and export on pairs whose score is 1 for the same fact and 0 for another."""
    monkeypatch.setenv("TEMPER_TRACKING", "off")
    monkeypatch.chdir(tmp_path)
    link_code(tmp_path)
    tree = change(yaml.load((ROOT / RECIPE).read_text(), Loader=yaml_file.Loader), SCORED)
    shutil.copytree(ROOT / "data/sample/model", "data/sample/model")
    for split, count in (("train", 64), ("validation", 16), ("test", 16)):
        rows = rows_of(ROOT / tree["data"]["files"][split], count)
        lines = [
            {"anchor": row["anchor"], "other": row[name], "score": score + 0.01 * i}
            for i, row in enumerate(rows)
            for name, score in (("positive", 1), ("negative", 0))
        ]
        Path(f"{split}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        tree["data"]["files"][split] = f"{split}.jsonl"
    Path("params.yaml").write_text(yaml.safe_dump(tree))
    parameters = load_data(params.load())
    stage_runs.train()
    shutil.copytree("data/model", "trained/weights")
    stage_runs.evaluate(Path("data/evaluation"), Path("trained"))
    stage_runs.export()
    return parameters


@pytest.mark.slow
def test_scored_pairs_go_through_all_stages(scored):
    """Similarities are those of `SentenceTransformer`, and predict adds both vectors."""
    found = artifacts.read_json(Path("data/evaluation/metrics.json"))
    assert set(found["baseline"]) == {"tfidf", "bm25", "untrained"}
    assert found["baseline"]["untrained"]["test"]["spearman"] == found["test"]["spearman"]
    assert found["test"]["spearman_low"] <= found["test"]["spearman"] <= 1
    assert artifacts.read_json(Path("data/export/parity.json"))["int8_max_score_drop"] == 1.0
    predict.predict(Path("data/export"), Path("test.jsonl"), Path("out.jsonl"), "onnx", 256, 1)
    rows = rows_of(Path("out.jsonl"), 1000)
    model = SentenceTransformer("data/export", device="cpu")
    texts = [[row[name] for row in rows] for name in ("anchor", "other")]
    expected = [model.encode_query(texts[0]), model.encode_document(texts[1])]
    assert np.abs(expected[1] - model.encode(texts[1])).max() > 0.01
    vectors = np.array([row["embeddings"] for row in rows])
    np.testing.assert_allclose(vectors, np.stack(expected, 1), atol=1e-5)
    similarities = (expected[0] * expected[1]).sum(1)
    np.testing.assert_allclose([row["prediction"] for row in rows], similarities, atol=1e-5)
    task = registry.load(scored)
    written = Path("data/evaluation/predictions/test.csv").read_text().splitlines()[1:]
    assert [line.split(",")[1] for line in written] == [
        task.format_value(float(np.float32(row["score"]))) for row in rows
    ]
    assert "model.encode_query(" in Path("data/export/README.md").read_text()
    config = artifacts.read_json(Path("data/export/config.json"))
    searched = {"name": "embeddings", "anchor": "anchor", "positive": "other", "prompts": PROMPTS}
    config["temper"]["task"] = searched
    artifacts.write_json(Path("data/export/config.json"), config)
    Path("data/export/profile.json").unlink()  # of pairs
    for prompt, engine in (("query", "torch"), ("document", "onnx")):
        given = (Path("data/export"), Path("test.jsonl"), Path("out.jsonl"), engine, 256, 1)
        predict.predict(*given, prompt=prompt)
        found = [row["prediction"] for row in rows_of(Path("out.jsonl"), 1000)]
        wanted = {"query": model.encode_query, "document": model.encode_document}[prompt](texts[0])
        np.testing.assert_allclose(found, wanted, atol=1e-5)
