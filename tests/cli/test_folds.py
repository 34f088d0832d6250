"""`temper folds` puts a cross-validation together."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from temper import params
from temper.cli import curve, folds
from temper.compare import experiments
from temper.core.errors import InputError
from tests.helpers.commits import Written, experiment
from tests.helpers.repository import run
from tests.helpers.tables import cells
from tests.helpers.workspace import ROOT


@pytest.mark.slow
def test_summarizes_a_cross_validation(inside, capsys):
    """A missing fold is named with its command; the table has the mean and the pooled score."""
    with pytest.raises(InputError, match=r"no finished .* of this commit has data\.fold"):
        folds.folds()
    for index in (2, 0):
        experiment(inside, f"f{index}", f"++data.fold={{k:3,index:{index}}}", "train.epochs=2")
    with pytest.raises(InputError) as caught:
        folds.folds()
    text = str(caught.value)
    assert text.startswith("of 3 folds, 1 missing: wait for those that are queued")
    apply, command, _ = (line.strip() for line in text.splitlines()[1:])
    run(inside, apply)
    assert command == "dvc exp run --queue -S '++data.fold={k: 3, index: 1}'"
    words = command.replace("'++data.fold={k: 3, index: 1}'", "++data.fold={k:3,index:1}")
    run(inside, words.replace("--queue", "-q -n f1"))
    run(inside, "git checkout -q params.yaml dvc.lock")
    capsys.readouterr()
    folds.folds(["f1", "f0", "f2"])
    table = {row[0]: row[1:] for row in cells(capsys.readouterr().out)}
    found = [experiments.open_experiment(f"f{i}", f"f{i}") for i in range(3)]
    scores = [one.read_json(folds.METRICS)["validation"]["accuracy"] for one in found]
    assert [table[str(i)][:3] for i in range(3)] == [
        [f"f{i}", str(30 + i), f"{scores[i]:.4f}"] for i in range(3)
    ]
    assert table["mean"][2] == f"{np.mean(scores):.4f} ± {np.std(scores, ddof=1):.4f}"
    rows = [row for one in found for row in one.read_csv(folds.PREDICTIONS)]
    assert len(rows) == 93
    hits = np.mean([row["reference"] == row["prediction"] for row in rows])
    assert table["pooled"][1:3] == ["93", f"{hits:.4f}"]
    experiment(inside, "odd", "++data.fold={k:3,index:0}", "train.epochs=3")
    with pytest.raises(
        InputError, match=r"also differ in train\.epochs; name those of one set:\n  t"
    ):
        folds.folds()
    with pytest.raises(InputError, match=r"no experiment 'od' .*did you mean 'odd'"):
        folds.folds(["od"])


def test_folds_without_a_common_score_are_an_error():
    """Folds need a shared validation score, and a curve needs its score in every experiment."""
    with pytest.raises(InputError, match="the folds share no validation score of classification"):
        folds.main_scores("classification", [{"accuracy": 1.0}, {}])
    one = experiments.Experiment(
        name="a", rev=None, parameters=params.load(ROOT / "params.yaml"), files=Written("{}")
    )
    with pytest.raises(InputError, match=r"experiment a: .* has no validation accuracy"):
        curve.measure([one], "accuracy")


def test_folds_and_curve_show_custom_metrics(write_params):
    """They have the name and the direction of the function."""
    write_params()
    code = "def misses(predictions, references): return 0\nmisses.greater_is_better = False\n"
    Path("mine.py").write_text(code)
    named = {"train__metric_for_best_model": "mine.misses", "evaluate__metrics": ["mine.misses"]}
    p = write_params(code={"mine": "mine.py"}, **named)
    files: Any = Written('{"validation": {"accuracy": 0.5, "misses": 3}}')
    one = experiments.Experiment(name="a", rev=None, parameters=p, files=files)
    assert curve.select_metric(one, None) == ("misses", False)
    assert curve.select_metric(one, "accuracy") == ("accuracy", True)
    scores = one.read_json(folds.METRICS)["validation"]
    assert folds.main_scores("classification", [scores], ["misses"]) == ["accuracy", "misses"]
