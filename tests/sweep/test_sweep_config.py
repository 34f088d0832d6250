"""What a sweep file cannot say."""

import pytest

from temper.core.errors import InputError
from tests.helpers.studies import RANGE, loaded


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"objective": "test.accuracy"},
            "objective: test.accuracy: a score that selects parameters",
        ),
        ({"objective": "accuracy"}, "objective: 'accuracy': expected validation.<metric>"),
        ({"method": "tpi"}, "method: Input should be 'grid', 'random' or 'tpe'; found 'tpi'"),
        ({"methd": "tpe"}, "methd: unknown key (did you mean 'method'?)"),
        ({"seed": None}, "seed is missing; method: random needs one"),
        ({"budget": None}, "budget is missing: without one, method: random never ends"),
        ({"seeds": [1, 2]}, "budget.trials 3 is not a multiple of 2 seeds"),
        ({"seeds": [1, 1, 1]}, "seeds has duplicates"),
        ({"method": "grid"}, "seed has no effect with method: grid; remove it"),
        ({"method": "grid", "seed": None}, "5: parameters.train.learning_rate: no step"),
        ({"name": "a b"}, "name: expected letters, digits and _, with single -"),
        ({"parameters": {"a": {"choice": []}}}, "parameters.a: choice is empty or has dupl"),
        ({"parameters": {"a": {"lo": 1}}}, "parameters.a.lo: unknown key (did you mean 'low'?)"),
        ({"parameters": {"a": {"low": 1}}}, "parameters.a: a range needs low and high"),
        ({"parameters": {"a": [1]}}, "parameters.a: Input should be an object; found [1]"),
        ({"parameters": {"a": {}}}, "parameters.a: give either choice: […], or low and high"),
        ({"parameters": {"a": {"low": 2, "high": 1}}}, "parameters.a: low 2 is not below high 1"),
        ({"parameters": {"a": {"low": 0, "high": 1, "log": True}}}, "log: true needs a low above"),
        (
            {"parameters": {"a": RANGE | {"step": 1}}},
            "parameters.a: log and step exclude each other",
        ),
        (
            {"parameters": {"a": {"choice": [1]}, "b": RANGE | {"when": {"aa": 1}}}},
            "parameters.b.when.aa: not a parameter listed above this one (did you mean 'a'?)",
        ),
        (
            {"parameters": {"a": {"choice": [1]}, "b": RANGE | {"when": {"a": 2}}}},
            "parameters.b.when.a: 2 is not one of its choices 1",
        ),
        (
            {"parameters": {"seed": {"choice": [1]}}, "seeds": [1, 2, 3]},
            "seeds and parameters.seed exclude each other",
        ),
    ],
)
def test_names_mistakes_of_a_sweep_file(tmp_path, changes, message):
    """Each mistake has its line."""
    with pytest.raises(InputError, match=r"sweep\.yaml:\d+: ") as caught:
        loaded(tmp_path, **changes)
    assert message in str(caught.value)
