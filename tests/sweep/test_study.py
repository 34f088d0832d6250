"""A killed trial gets the values it would have had, and a grid counts exactly."""

from collections import Counter

import pytest

from temper.sweep import space
from temper.sweep.storage import GRACE_S
from tests.helpers.studies import in_memory, loaded, run_through, stub_score


def values_of(trials):
    return [trial.user_attrs["values"] for trial in trials]


def test_trial_that_is_resumed_gets_the_same_values(tmp_path):
    """TPE gives them before and after it has learned."""
    found, _ = loaded(tmp_path, method="tpe", budget={"trials": 16})
    quiet = values_of(run_through(in_memory(found), stub_score))
    assert len({values["train.learning_rate"] for values in quiet}) == 16
    killed = in_memory(found)
    for number in range(16):
        trial = killed.next()
        if number in (3, 12):
            (running,) = killed.running(folder="folder")
            trial = killed.claim(running._trial_id)
        assert trial.number == number
        killed.tell(trial, "COMPLETE", stub_score(trial.user_attrs["values"]))
    assert values_of(killed.trials()) == quiet


@pytest.mark.parametrize("method", ["random", "tpe"])
def test_trial_killed_while_sampling_gets_the_remaining_values(tmp_path, monkeypatch, method):
    """The first parameter is kept, the second drawn as it would have been."""
    found, _ = loaded(tmp_path, method=method, budget={"trials": 14})
    quiet = values_of(run_through(in_memory(found), stub_score))
    killed = in_memory(found)
    for number in range(14):
        if number == 12:
            with monkeypatch.context() as patch:
                suggest = space.suggest

                def one(trial, *arguments, suggest=suggest):
                    if trial.params:
                        raise KeyboardInterrupt
                    return suggest(trial, *arguments)

                patch.setattr(space, "suggest", one)
                with pytest.raises(KeyboardInterrupt):
                    killed.next()
            trial = killed.claim(killed.running()[0]._trial_id)
        else:
            trial = killed.next()
        assert trial.number == number
        killed.tell(trial, "COMPLETE", stub_score(trial.user_attrs["values"]))
    assert values_of(killed.trials()) == quiet


def test_trial_of_a_dead_machine_is_run_again(tmp_path):
    """Another trial has its configuration, seed and values, also those of TPE; nothing exceeds."""
    changes = {"method": "tpe", "budget": {"trials": 26}, "seeds": [1, 2], "storage": "sqlite://"}
    found, _ = loaded(tmp_path, **changes)
    study = in_memory(found)
    for _ in range(24):
        trial = study.next()
        study.tell(trial, "COMPLETE", stub_score(trial.user_attrs["values"]))
    lost, unclaimed = study.next(), study.optuna.ask()
    study.storage.grace_period = -1  # any heartbeat is too old
    study.heartbeat(())
    study.storage.grace_period = GRACE_S
    assert study.running() == []
    again, other = study.next(), study.next()
    assert again.number == unclaimed.number + 1
    for key in ("position", "seed", "values"):
        assert again.user_attrs[key] == lost.user_attrs[key]
    assert again.user_attrs["values"] == other.user_attrs["values"]
    assert study.next() is None
    assert len(study.trials()) == 26


def test_machines_that_ask_at_once_get_different_positions(tmp_path):
    """The trial that is beyond the budget does not count."""
    found, _ = loaded(tmp_path, budget={"trials": 2})
    study = in_memory(found)
    ids = [study.optuna.ask()._trial_id for _ in range(3)]
    claimed = [study.claim(trial_id) for trial_id in reversed(ids)]
    assert claimed[0] is None
    assert [trial.user_attrs["position"] for trial in claimed[1:]] == [1, 0]
    assert len(study.trials()) == 2


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
    found, _ = loaded(tmp_path, **changes, budget=None, seed=None)
    trials = run_through(in_memory(found), lambda values, seed: float(seed))
    assert len(trials) == (4 + 4 * 2) * 2
    values = values_of(trials)
    assert {v["train.warmup_ratio"] for v in values} == {0.0, 0.1, 0.2, 0.3}
    seen = Counter(repr((t.user_attrs["values"], t.user_attrs["seed"])) for t in trials)
    assert set(seen.values()) == {1}
    averaged = [v for v in values if "train.weight_averaging" in v]
    assert len(averaged) == 16
    assert {v["train.lr_scheduler_type"] for v in averaged} == {"cosine"}
    assert Counter(trial.user_attrs["seed"] for trial in trials) == {1: 12, 2: 12}
