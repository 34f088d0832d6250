"""What a history decides from its evaluations."""

import math

from temper.params.train import EarlyStopping
from temper.training.history import History


def test_nan_is_the_worst_score(write_params):
    """The best step and early stopping go by the same row, in both directions."""
    changes = {"metric_for_best_model": "f1", "early_stopping": EarlyStopping(patience=2)}
    params = write_params().train.model_copy(update=changes)
    for greater_is_better, scores in ((True, [0.7, 0.6]), (False, [0.6, 0.7])):
        history = History(params, greater_is_better=greater_is_better)
        stops = []
        for step, score in enumerate([math.nan, *scores, math.nan], 1):
            history.validation.append({"step": step, "f1": score})
            stops.append(history.should_stop_early())
        assert history.best_step() == 2
        assert stops == [False, False, False, True]


def test_a_metric_that_some_rows_do_not_define_has_empty_cells(write_params, tmp_path):
    """The untrained model is scored on few rows, and one that predicts a constant correlates with
    nothing."""
    params = write_params().train.model_copy(update={"metric_for_best_model": "pearson"})
    history = History(params, greater_is_better=True)
    history.untrained = {"step": 0, "epoch": 0.0, "loss": 2.0}
    history.validation = [
        {"step": 3, "epoch": 1.0, "loss": 1.0, "pearson": -0.5},
        {"step": 6, "epoch": 2.0, "loss": 0.5},
    ]
    history.write_csv(tmp_path)
    lines = (tmp_path / "validation.csv").read_text().splitlines()
    assert lines == ["step,epoch,loss,pearson", "0,0.0,2.0,", "3,1.0,1.0,-0.5", "6,2.0,0.5,"]
    assert history.best_step() == 3
