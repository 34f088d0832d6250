"""The winner is no lucky seed; a sweep fails only without any outcome."""

import pytest
from optuna.trial import TrialState, create_trial

from temper.sweep import ranking


def trial(number, state="COMPLETE", score=None, **attributes):
    """Return a trial as a study has it."""
    attributes = {"configuration": number, "seed": None, "values": {}} | attributes
    found = create_trial(state=TrialState[state], value=score, user_attrs=attributes)
    found.number = number
    return found


def test_ranks_configurations_by_their_mean_over_seeds():
    """Complete ones come first, and the seed nearest the mean represents them."""
    scores = [(0, 1, 0.80), (0, 2, 0.82), (0, 3, 0.90), (1, 1, 0.83), (1, 2, 0.83), (1, 3, 0.83)]
    trials = [
        trial(i, score=score, configuration=c, seed=seed)
        for i, (c, seed, score) in enumerate([*scores, (2, 1, 0.99)])
    ]
    found = ranking.rank(trials, 3, greater_is_better=True)
    assert [one.trials[0].number for one in found] == [0, 3, 6]
    assert found[0].mean == pytest.approx(0.84)
    assert found[0].typical.user_attrs["seed"] == 2
    found = ranking.rank(trials, 3, greater_is_better=False)
    assert [one.trials[0].number for one in found] == [3, 0, 6]


@pytest.mark.parametrize(
    ("states", "failed"),
    [
        (["FAIL", "FAIL", "WAITING"], True),
        (["FAIL", "COMPLETE"], False),
        (["FAIL", "PRUNED"], False),
        (["RUNNING"], False),
        ([], False),
    ],
)
def test_only_a_sweep_without_any_outcome_failed(states, failed):
    """A trial that was stopped early shows that trainings work."""
    notes = {"reason": "too few rows", "log": "0.log"}
    trials = [
        trial(i, state, 0.5 if state == "COMPLETE" else None, **notes)
        for i, state in enumerate(states)
    ]
    message = ranking.describe_failure(trials, "s")
    assert (message is not None) is failed
    if message:
        assert message.startswith("all 2 trials of s failed, the last with: too few rows (log 0.l")
