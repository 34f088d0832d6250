"""A killed trial gets the values it would have had, and a grid counts exactly."""

from collections import Counter

import pytest

from temper.sweep import space
from tests.helpers.studies import TREE, in_memory, loaded, run_through, stub_score


def test_trial_that_is_taken_over_gets_the_same_values(tmp_path):
    """TPE gives them before and after it has learned."""
    found, _ = loaded(tmp_path, method="tpe", budget={"trials": 16})
    quiet = [result.values for result in run_through(in_memory(found), stub_score)]
    assert len({values["train.learning_rate"] for values in quiet}) == 16
    killed = in_memory(found)
    for number in range(16):
        trial = killed.next(begin=True)
        assert trial.number == number
        if number in (3, 12):
            killed.leases.owner = f"folder/{number}"
            trial = killed.next(begin=True)
            assert trial.number == number
        killed.finish(trial, stub_score(trial.user_attrs["values"]))
    assert [result.values for result in killed.results()] == quiet


def test_trial_killed_while_sampling_gets_the_remaining_values(tmp_path, monkeypatch):
    """The first parameter is kept, the second drawn as it would have been."""
    for method in ("random", "tpe"):
        found, _ = loaded(tmp_path, method=method, budget={"trials": 14})
        quiet = [result.values for result in run_through(in_memory(found), stub_score)]
        killed = in_memory(found)
        for number in range(14):
            if number == 12:
                with monkeypatch.context() as patch:
                    suggested = space.suggest

                    def one(trial, given, *more, suggested=suggested):
                        first = dict(list(given.parameters.items())[:1])
                        suggested(trial, given.model_copy(update={"parameters": first}), *more)
                        raise KeyboardInterrupt

                    patch.setattr(space, "suggest", one)
                    with pytest.raises(KeyboardInterrupt):
                        killed.next(begin=True)
                killed.leases.owner = "folder/a later process"
            trial = killed.next(begin=True)
            assert trial.number == number
            killed.finish(trial, stub_score(trial.user_attrs["values"]))
        assert [result.values for result in killed.results()] == quiet, method


def test_grid_has_every_combination_once(tmp_path):
    """Conditions hold, steps include both ends, and seeds multiply."""
    parameters = {
        "train.lr_scheduler_type": {"choice": ["linear", "cosine"]},
        "train.warmup_ratio": {"low": 0.0, "high": 0.3, "step": 0.1},
        "train.weight_averaging": {
            "choice": [None, {"kind": "ema", "decay": 0.9}],
            "when": {"train.lr_scheduler_type": ["cosine"]},
        },
    }
    changes = {"method": "grid", "parameters": parameters, "seeds": [1, 2]}
    found, file = loaded(tmp_path, **changes, budget=None, seed=None)
    is_integer = space.check(found, TREE, file)
    results = run_through(in_memory(found, is_integer), lambda values, seed: float(seed))
    assert len(results) == (4 + 4 * 2) * 2
    assert {result.values["train.warmup_ratio"] for result in results} == {0.0, 0.1, 0.2, 0.3}
    seen = Counter(repr((result.values, result.seed)) for result in results)
    assert set(seen.values()) == {1}
    averaged = [r.values for r in results if "train.weight_averaging" in r.values]
    assert len(averaged) == 16
    assert {values["train.lr_scheduler_type"] for values in averaged} == {"cosine"}
    assert Counter(result.seed for result in results) == {1: 12, 2: 12}
