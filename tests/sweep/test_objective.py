"""A trial scores what its saved weights score."""

import pytest

from temper.core.errors import InputError
from temper.sweep import objective

HISTORY = """step,epoch,loss,accuracy,f1
10,1,0.5,0.70,0.60
20,2,0.4,0.80,0.65
30,3,0.3,0.80,0.90
40,4,0.6,0.75,0.50
"""


@pytest.mark.parametrize(
    ("best", "averaging", "metric", "wanted"),
    [
        ("accuracy", None, "accuracy", 0.8),
        ("accuracy", None, "f1", 0.65),  # the first of equals
        ("loss", None, "f1", 0.9),
        ("accuracy", {"kind": "ema", "decay": 0.9}, "f1", 0.65),
        ("accuracy", {"kind": "last", "count": 2}, "f1", 0.7),
        ("accuracy", {"kind": "best", "count": 3}, "f1", (0.65 + 0.9 + 0.5) / 3),
    ],
)
def test_trial_has_the_score_of_its_saved_weights(write_params, best, averaging, metric, wanted):
    """The score is that of the rows that data/model comes from."""
    p = write_params(train__metric_for_best_model=best, train__weight_averaging=averaging)
    assert objective.model_score(HISTORY, p, metric) == pytest.approx(wanted)


def test_soup_is_scored_by_the_last_row(write_params):
    """The row is the soup's, whatever a member scored before."""
    p = write_params(train__model_soup_size=2, train__metric_for_best_model="accuracy")
    assert objective.model_score(HISTORY, p, "f1") == float(HISTORY.split()[-1].split(",")[-1])


def test_a_history_without_the_metric_is_an_error(write_params):
    """The error lists the columns."""
    with pytest.raises(InputError, match=r"validation\.csv has no mcc; it has loss, accuracy, f1"):
        objective.model_score(HISTORY, write_params(), "mcc")


def test_the_untrained_model_is_no_result(write_params):
    """Step 0 is not the model's, however good."""
    p = write_params(train__metric_for_best_model="accuracy")
    header, *rows = HISTORY.splitlines()
    columns = header.split(",")
    perfect = {"step": "0", "epoch": "0.0", "loss": "0.0"}
    first = ",".join(perfect.get(name, "1.0") for name in columns)
    with_untrained = "\n".join([header, first, *rows])
    expected = objective.model_score(HISTORY, p, "f1")
    assert objective.model_score(with_untrained, p, "f1") == expected


def test_an_undefined_score_is_left_out(write_params):
    """Nobody asks for it, or the error says so."""
    p = write_params(train__metric_for_best_model="accuracy")
    history = HISTORY.replace("0.80,0.65", "0.80,")
    assert objective.model_score(history, p, "accuracy") == 0.8
    with pytest.raises(InputError, match="f1 is undefined for the weights that were saved"):
        objective.model_score(history, p, "f1")
