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
