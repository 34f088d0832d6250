"""Metrics by name, and the order in which each module ranks its examples."""

import numpy as np
import pytest

from temper import metrics
from temper.core.errors import InputError


def test_names_an_unknown_metric_and_the_nearest():
    """`metric_for_best_model: acuracy` is refused."""
    with pytest.raises(InputError, match="did you mean 'accuracy'"):
        metrics.greater_is_better("acuracy", "classification")
    assert not metrics.greater_is_better("loss", "regression")


@pytest.mark.parametrize("name", [n for n in metrics.MODULES[3:] if n != "similarity"])
def test_worst_examples_come_first(name):
    """Each module ranks a right prediction behind a wrong one."""
    right, wrong, reference = {
        "entities": (["B-X"], ["O"], ["B-X"]),
        "answers": ("Oslo", "Rome", {"text": ["Oslo"]}),
        "choices": (1, 0, 1),
        "language": ((1.0, 1, 2), (9.0, 0, 2), None),
        "retrieval": ([1], [7], None),
        "completions": (("yes", np.ones(3)), ("no", np.ones(3)), "yes"),
    }.get(name, ("a cat sat here", "dogs", "a cat sat here"))
    module = metrics.load(name)
    example_loss = module.example_loss(module.per_example_stats([right, wrong], [reference] * 2))
    assert example_loss[1] > example_loss[0]
    assert module.HEADLINE[0] in module.GREATER_IS_BETTER
