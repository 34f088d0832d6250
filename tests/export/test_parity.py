"""Parity by hand, and the score that int8 may lose."""

import numpy as np
import pytest

from temper.core.errors import InputError
from temper.export import parity
from temper.inference import RowList
from temper.tasks.base import registry


def test_int8_may_lose_at_most_max_score_drop():
    """Both scores and the parameter are in the message."""
    trained = {"f1": 0.9}
    assert parity.check_int8(trained, {"f1": 0.89}, 0.02) == {"f1": pytest.approx(0.01)}
    assert parity.check_int8({"accuracy": 550 / 600}, {"accuracy": 547 / 600}, 0.005)  # 3 of 600
    with pytest.raises(InputError, match=r"it loses 0\.0500, export\.max_score_drop allows 0\.02"):
        parity.check_int8(trained, {"f1": 0.85}, 0.02)
    with pytest.raises(InputError, match="it loses nan"):
        parity.check_int8(trained, {"f1": float("nan")}, 0.02)
    with pytest.raises(InputError, match=r"f1 of the int8 model is 0\.0000.*: it loses 0\.9000"):
        parity.check_int8(trained, {}, 0.02)


def test_int8_is_held_to_the_decisions(write_params):
    """Scores at the operating point and of the answered rows, by hand; the labels stay the same."""
    changes = {
        "evaluate__temperature": 2.0,
        "evaluate__operating_point": {"label": "equivalent", "threshold": 0.7},
        "evaluate__abstain": {"threshold": 0.75},
    }
    task = registry.load(write_params(**changes))
    task.label_names, task.is_labelled = ["not_equivalent", "equivalent"], lambda _: True
    chances, labels = np.array([0.9, 0.72, 0.8, 0.6, 0.2, 0.1]), [1, 1, 0, 1, 0, 0]

    def outputs(chances):  # at the temperature
        return [np.array([0.0, 2.0 * np.log(p / (1 - p))]) for p in chances]

    features = RowList({"labels": label} for label in labels)
    found = parity.scores(task, outputs(chances), features)
    assert found == {
        "accuracy": pytest.approx(4 / 6),
        "operating_precision": pytest.approx(2 / 3),
        "operating_recall": pytest.approx(2 / 3),
        "operating_specificity": pytest.approx(2 / 3),
        "coverage": pytest.approx(4 / 6),
        "selective_accuracy": pytest.approx(3 / 4),
    }
    moved = np.where(chances == 0.72, 0.69, chances)  # still the likeliest label
    limits, measured = parity.compare_int8(task, outputs(chances), outputs(chances), features, 0)
    assert limits["int8_scores"] == [*found]
    assert measured["int8_operating_recall_drop"] == 0
    with pytest.raises(InputError, match=r"accuracy of the int8 model is 0\.5000, of the trained"):
        parity.compare_int8(task, outputs(chances), outputs(moved), features, 0.1)
    swapped = np.where(chances == 0.8, 0.65, moved)  # as accurate, with another recall
    with pytest.raises(InputError, match=r"operating_recall of the int8 model is 0\.3333"):
        parity.compare_int8(task, outputs(chances), outputs(swapped), features, 0.1)


@pytest.mark.parametrize("references", [[2.0], [2.0, 2.0]])
def test_int8_loses_score_also_where_r_squared_is_undefined(references):
    """One row, or equal numbers in all rows."""
    references = np.array(references)
    good, bad, broken = (
        parity.r_squared(list(references[:, None] + error), references)
        for error in (0.0, 0.5, np.nan)
    )
    assert good == 1
    for score in (bad, broken):
        with pytest.raises(InputError, match="it loses"):
            parity.check_int8({"R²": good}, {"R²": score}, 0.02)


def test_predictions_that_are_no_numbers_do_not_agree(write_params):
    """Without labels, too."""
    changes = {"task__problem_type": "regression", "task__labels": None}
    changes |= {"evaluate__positive_label": None, "train__metric_for_best_model": "mse"}
    task = registry.load(write_params(**changes))
    trained = [np.array([1.0]), np.array([2.0])]
    features = RowList([{}, {}])
    task.is_labelled = lambda _: False
    alike = {"int8_agreement": 1.0}
    assert parity.compare_int8(task, trained, trained, features, 0.02)[1] == alike
    with pytest.raises(InputError, match="agrees in nan of the rows"):
        parity.compare_int8(task, trained, [np.array([np.nan])] * 2, features, 0.02)


def test_agreement_counts_equal_answers(write_params):
    """One of four answers differs."""
    task = registry.load(write_params())
    one = np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    assert parity.agreement(task, list(one[[0, 1, 2, 0]]), list(one), [{}] * 4) == 0.75


def test_a_logit_that_is_no_number_fails(write_params):
    """Whatever the batches after it say."""
    rows = RowList({"length": i, "row": i} for i in range(100))

    def collate(batch):
        return {"logits": np.array([[row["row"], 0.0] for row in batch])}

    def exported(batch):
        return np.where(batch["logits"] == 3, np.nan, batch["logits"])

    arguments = rows, collate, registry.load(write_params())
    with pytest.raises(InputError, match="differ by nan in row 3,"):
        parity.check_onnx(lambda batch: batch["logits"], exported, *arguments)
    same = parity.check_onnx(*[lambda batch: batch["logits"]] * 2, *arguments)
    assert same[0] == 0
    assert np.stack(same[1])[:, 0].tolist() == [*range(100)]
