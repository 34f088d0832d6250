"""Text longer than the model: overlapping windows, one answer per document."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from temper import params
from temper.cli import predict
from temper.core import arrow, artifacts
from tests.helpers import stage_runs
from tests.helpers.training import trained

PADDING_ROW = (
    "anna",
    "opened",
    "eleven",
    "boxes",
    "in",
    "oslo",
    "before",
    "summer",
    "twelve",
    "crates",
)


def documents(count: int, seed: int) -> list[dict]:
    """Return texts whose last words tell the label, far behind the first window."""
    rng = random.Random(seed)
    rows = []
    for i in range(count):
        label = ("early", "late")[i % 2]
        words = [rng.choice(PADDING_ROW) for _ in range(40)]
        rows.append({"text": " ".join([*words, *[("dawn", "sunset")[i % 2]] * 3]), "label": label})
    return rows


@pytest.fixture
def fitted(prepare, monkeypatch):
    """Return a function that trains on documents with a way to treat long ones, and evaluates."""

    def fit(rows: int = 160, **tokenize) -> params.Params:
        monkeypatch.setenv("TEMPER_TRACKING", "off")
        for split, count in (("train", rows), ("validation", 22), ("test", 20)):
            text = "".join(json.dumps(row) + "\n" for row in documents(count, count))
            Path(f"{split}.jsonl").write_text(text)
        parameters = prepare(
            task__text=["text"],
            task__labels=["early", "late"],
            data__files={s: f"{s}.jsonl" for s in ("train", "validation", "test")},
            evaluate__positive_label="late",
            train__epochs=10.0,
            train__metric_for_best_model="loss",
            train__evaluate_every=1000,
            train__save_every=1000,
            export__int8=False,
            tokenize__max_length=32,
            **{f"tokenize__{key}": value for key, value in tokenize.items()},
        )
        trained(parameters)
        stage_runs.evaluate()
        return parameters

    return fit


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def scores() -> dict:
    return artifacts.read_json(Path("data/evaluation/metrics.json"))["test"]


@pytest.mark.slow
def test_windows_read_the_end_of_a_document(fitted):
    """The mean of the windows knows what truncation loses, and a document counts once."""
    fitted(overflow="window", stride=4, window_pooling="mean")
    assert scores()["accuracy"] > 0.9
    features = arrow.load(Path("data/tokenized"))["test"]
    assert len(features) > 2 * len(set(features["example_id"]))
    assert len(set(features["example_id"])) == 20
    assert max(features["length"]) <= 32
    lines = Path("data/evaluation/predictions/test.csv").read_text().splitlines()
    assert len(lines) == 21
    history = Path("data/history/validation.csv").read_text().splitlines()
    assert float(history[-1].split(",")[3]) > 0.9  # training pools as evaluate does
    for name in ("model", "evaluation", "tokenized"):
        assert Path("data", name).is_dir()
    stage_runs.export()
    predict.predict(Path("data/export"), Path("test.jsonl"), Path("out.jsonl"), "onnx", 256, 1)
    rows = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert [row["prediction"] for row in rows] == [line.split(",")[2] for line in lines[1:]]


def test_truncated_documents_lose_their_end(fitted):
    """The same data give chance."""
    fitted(overflow="truncate")
    assert scores()["accuracy"] < 0.8


@pytest.mark.parametrize("pool", ["mean", "max", "first"])
def test_pools_the_logits_of_a_document(write_params, pool):
    """Documents of three and two windows are pooled by hand."""
    from temper import inference
    from temper.tasks.base import registry

    changes = {"overflow": "window", "stride": 2, "window_pooling": pool}
    task = registry.load(write_params(**{f"tokenize__{k}": v for k, v in changes.items()}))
    logits = [np.array(row, dtype=float) for row in ([1, 0], [0, 3], [2, 0], [5, 6], [7, 0])]
    features = inference.RowList({"example_id": i} for i in (4, 4, 4, 5, 5))
    found = task.decode({"logits": logits}, features, [{}, {}], None)
    expected = {"mean": [[1, 1], [6, 3]], "max": [[2, 3], [7, 6]], "first": [[1, 0], [5, 6]]}
    np.testing.assert_allclose(found, expected[pool])


def test_uses_all_positions_of_a_long_model(write_params, prepare):
    """The end of 700 tokens reaches the logits without truncation."""
    import torch

    from temper.training import networks

    text = " ".join(PADDING_ROW * 60)
    for split in ("train", "validation", "test"):
        rows = [{"text": f"{text} {end}", "label": end} for end in ("dawn", "sunset")]
        Path(f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_params()
    config = Path("data/sample/model/tokenizer_config.json")
    config.write_text(
        config.read_text().replace('"model_max_length": 64', '"model_max_length": 1024')
    )
    parameters = prepare(
        task__text=["text"],
        task__labels=["dawn", "sunset"],
        data__files={s: f"{s}.jsonl" for s in ("train", "validation", "test")},
        evaluate__positive_label="dawn",
        model__config={"max_position_embeddings": 1024},
        tokenize__max_length=1024,
    )
    data = arrow.load(Path("data/tokenized"))
    assert min(data["test"]["length"]) > 700
    from temper.tasks.base import registry

    task = registry.load(parameters, data["test"].features)
    torch.manual_seed(0)
    network = networks.build(Path("data/base"), task, data["test"].features, parameters).eval()
    processor = registry.load_processor(Path("data/base/processor"), task)
    batch = task.collator(processor, network.config)(list(data["test"]))
    with torch.no_grad():
        inputs = {k: torch.from_numpy(v) for k, v in batch.items() if k != "labels"}
        one, other = network(**inputs).logits
    assert not torch.equal(one, other)


def test_refuses_a_first_text_that_fills_every_window(prepare):
    """The first text of a pair is repeated and the second cut; one token less is accepted."""
    from temper.core.errors import InputError

    def with_first(count):
        for split in ("train", "validation", "test"):
            rows = [
                {"a": " ".join(["in"] * count), "b": " ".join(PADDING_ROW * 3), "label": label}
                for label in ("early", "late")
            ]
            Path(f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        prepare(
            task__text=["a", "b"],
            task__labels=["early", "late"],
            data__files={s: f"{s}.jsonl" for s in ("train", "validation", "test")},
            evaluate__positive_label="late",
            tokenize__max_length=20,
            tokenize__overflow="window",
            tokenize__stride=4,
            tokenize__window_pooling="mean",
        )
        return arrow.load(Path("data/tokenized"))

    assert max(with_first(12)["test"]["length"]) == 20  # 12 + 3 special + 4 + 1
    with pytest.raises(InputError, match=r"column a: 'in .*'… has 13 tokens .* fewer than 13"):
        with_first(13)
