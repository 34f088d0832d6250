"""An export decides as evaluate did: in every engine, in the served model, and on the page."""

from pathlib import Path

import pytest

from temper.core import artifacts
from temper.core.errors import InputError
from tests.helpers import stage_runs
from tests.helpers.export import score
from tests.helpers.tables import read_csv

CHANGES = {
    "evaluate__temperature": 2.5,
    "evaluate__operating_point": {"label": "equivalent", "recall": 0.75},
    "evaluate__abstain": {"coverage": 0.3},
}


@pytest.mark.slow
def test_an_export_decides_as_evaluate_did(exported, write_params, monkeypatch):
    """Row by row on validation and test; the numbers are in config.json and in the card."""
    import mlflow
    import pandas as pd

    monkeypatch.setenv("TEMPER_TRACKING", "off")
    parameters = write_params(**CHANGES)
    stage_runs.evaluate()
    decisions = artifacts.read_json(Path("data/evaluation/decisions.json"))
    metrics = artifacts.read_json(Path("data/evaluation/metrics.json"))
    assert metrics["validation"]["operating_recall"] >= 0.75
    assert metrics["validation"]["coverage"] >= 0.3
    stage_runs.export(Path("data/decided"))
    target = Path("data/decided")
    stored = artifacts.read_json(target / "config.json")["temper"]["evaluate"]
    assert stored["operating_point"] == decisions["evaluate"]["operating_point"]
    assert stored["abstain"] == decisions["evaluate"]["abstain"]
    assert stored["temperature"] == 2.5
    abstained = set()
    for split in ("validation", "test"):
        text = Path(f"tests/data/{split}.csv").read_text(encoding="utf-8")
        expected = read_csv(f"data/evaluation/predictions/{split}.csv")
        for engine in ("onnx", "torch"):
            rows = score(target, text, engine=engine)
            assert [row["abstained"] for row in rows] == [row["abstained"] for row in expected]
            assert [row["prediction"] for row in rows] == [
                "" if row["abstained"] == "True" else row["prediction"] for row in expected
            ]
            chances = [float(row["score_equivalent"]) for row in rows]
            assert chances == pytest.approx(
                [float(row["score_equivalent"]) for row in expected], abs=1e-5
            )
        abstained |= {row["abstained"] for row in rows}
    assert abstained == {"True", "False"}
    threshold = stored["operating_point"]["threshold"]
    chosen = [row["prediction"] == "equivalent" for row in expected]  # also where it abstains
    assert chosen == [chance >= threshold for chance in chances]
    assert score(target, text, engine="int8")[0].keys() == rows[0].keys()
    from temper.export import mlflow_model

    mlflow_model.save(target, Path("served"), parameters.task)
    frame = pd.read_csv("tests/data/test.csv")[["sentence1", "sentence2"]]
    found = mlflow.pyfunc.load_model("served").predict(frame)
    assert found["prediction"].tolist() == [row["prediction"] for row in score(target, text)]
    assert found["abstained"].dtype == bool
    card = (target / "README.md").read_text(encoding="utf-8")
    assert f"equivalent ≥ {threshold:.4g}" in card
    assert "divide them by 2.5 before they become probabilities" in card
    report = Path("data/evaluation/report.html").read_text(encoding="utf-8")
    assert f"equivalent ≥ {threshold:.4g}" in report
    assert "Risk and coverage: risk" in report


@pytest.mark.slow
def test_a_target_out_of_reach_is_scored_and_not_exported(exported, write_params, monkeypatch):
    """Evaluate says what can be reached; an export would decide otherwise than asked."""
    monkeypatch.setenv("TEMPER_TRACKING", "off")
    write_params(evaluate__abstain={"accuracy": 1.0})
    predictions = Path("data/evaluation/predictions/validation.csv")
    weights = artifacts.sha256_tree(Path("data/model"))
    stage_runs.evaluate()
    reason = artifacts.read_json(Path("data/evaluation/decisions.json"))["unreached"]["abstain"]
    assert reason.startswith("no confidence has accuracy ≥ 1 on validation; the highest is 0.")
    assert reason in Path("data/evaluation/report.html").read_text(encoding="utf-8")
    assert {row["abstained"] for row in read_csv(predictions)} == {"False"}
    with pytest.raises(InputError, match=r"evaluate\.abstain: no confidence has accuracy ≥ 1"):
        stage_runs.export(Path("data/decided"))
    assert not Path("data/decided").exists()
    assert artifacts.sha256_tree(Path("data/model")) == weights
