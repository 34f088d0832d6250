"""Numbers of params.yaml that mean nothing."""

from typing import Any

from tests.promises.bad_input import BadInput

INFINITE, NOT_A_NUMBER = float("inf"), float("nan")


def number(key: str, value: Any, *says: str, name: str | None = None, **changes: Any):
    """Return a case of tests/params.yaml with one value changed."""
    return BadInput(
        name=name or f"{key}={value}",
        changes={key: value} | changes,
        says=("params.yaml:", key, *says),
    )


def split(validation: float, test: float, seed: int = 1) -> dict[str, Any]:
    return {"validation": validation, "test": test, "seed": seed}


CASES = [
    BadInput(
        name="class_weights_count",
        changes={"train.class_weights": [1.0, 2.0, 3.0]},
        says=("params.yaml:", "train.class_weights", "3", "2 labels"),
    ),
    number("train.class_weights", [1.0, -2.0], "[1.0, -2.0]", "negative"),
    number("train.class_weights", [0.0, 0.0], "[0.0, 0.0]", "above 0"),
    number("train.class_weights", [], "[]", "above 0"),
    number("train.class_weights", [1.0, NOT_A_NUMBER], "valid number", "nan"),
    number(
        "train.lr_scheduler_kwargs.num_decay_steps",
        100,
        "1 steps of warm-up and 100 of decay",
        "12 there are",
        **{"train.lr_scheduler_type": "warmup_stable_decay"},
    ),
    number("train.learning_rate", INFINITE, "valid number", ".inf"),
    number("train.learning_rate", 0, "greater than 0", "0"),
    number("train.max_grad_norm", INFINITE, "valid number"),
    number("train.max_loss", NOT_A_NUMBER),
    number("train.epochs", 0, "greater than 0"),
    number("train.batch_size", 2.5, "2.5"),
    number("train.batch_size", True, "integer", "True"),
    number("train.warmup_ratio", 1, "less than 1"),
    number("data.split", split(0.6, 0.6), "0.6", "below 1"),
    number("data.split", split(0.5, 0.5), "no rows for train"),
    number("data.split", split(-0.1, 0.1), "validation", "-0.1"),
    number("data.split", split(0.1, 0.1, -1), "seed", "greater than or equal to 0", "-1"),
    number("data.split", split(0.1, 0.1, 2**32), "seed", "less than 4294967296"),
    number("seed", 2**32, "less than 4294967296", "4294967296"),
    number("seed", -1, "greater than or equal to 0"),
    number("seed", 1.5, "1.5"),
    number(
        "tokenize.augment",
        {"seed": 2**32, "swap": {"rate": 1.0, "share": 0.1}},
        "seed",
        "less than 4294967296",
    ),
    number("data.subset", {"train": 1}, "data.subset.train: leaves train 1 row", "two labels"),
    number("data.subset", {"train": 0}, "train"),
    number("data.subset", {"train": 100_000}, "100000 rows", "has only"),
    number("data.subset", {"train": 1.5}, "1.5"),
    number("data.subset", {"tset": 10}, "no split 'tset'", "'test'"),
    number("data.fold", {"k": 1, "index": 0}, "k"),
    number("data.fold", {"k": 5, "index": 5}, "index 5", "0 to 4"),
    number("model.config.num_hidden_layers", -2, "whole number from 1", "-2"),
    number("model.config.num_hidden_layers", 0, "whole number from 1"),
    number("model.config.num_hidden_layers", True, "int", "True"),
    number("model.config.num_attention_heads", 2.5, "whole number from 1", "2.5"),
    number("model.config.hidden_size", -64, "whole number from 1", "-64"),
    number("model.config.hidden_dropout_prob", 1.5, "from 0 to below 1", "1.5"),
    number("model.config.initializer_range", -0.02, "a number from 0", "-0.02"),
    number("evaluate.bootstrap_samples", 0, "greater than or equal to 1"),
    number("determinism.num_threads", -1, "greater than or equal to 1"),
    number("tokenize.max_length", 0, "greater than or equal to 1"),
]
