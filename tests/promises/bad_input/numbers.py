"""Numbers of params.yaml that mean nothing."""

from typing import Any

from tests.promises.bad_input import BadInput, changed

INFINITE, NOT_A_NUMBER = float("inf"), float("nan")


def split(validation: float, test: float, seed: int = 1) -> dict[str, Any]:
    return {"validation": validation, "test": test, "seed": seed}


CASES = [
    changed("train.class_weights", [1.0, -2.0], "[1.0, -2.0]", "negative"),
    changed("train.class_weights", [0.0, 0.0], "[0.0, 0.0]", "above 0"),
    changed("train.class_weights", [], "[]", "above 0"),
    changed("train.class_weights", [1.0, NOT_A_NUMBER], "valid number", "nan"),
    BadInput(
        name="longer_decay_than_training",
        changes={
            "train.lr_scheduler_type": "warmup_stable_decay",
            "train.lr_scheduler_kwargs.num_decay_steps": 100,
        },
        says=("train.lr_scheduler_kwargs.num_decay_steps: 1 steps of warm-up and 100 of decay",),
    ),
    changed("train.learning_rate", INFINITE, "valid number", ".inf"),
    changed("train.learning_rate", 0, "greater than 0", "0"),
    changed("train.max_grad_norm", INFINITE, "valid number"),
    changed("train.max_loss", NOT_A_NUMBER),
    changed("train.batch_size", 2.5, "2.5"),
    changed("train.batch_size", True, "integer", "True"),
    changed("data.split", split(0.6, 0.6), "0.6", "below 1"),
    changed("data.split", split(0.5, 0.5), "no rows for train"),
    changed("data.split", split(-0.1, 0.1), "validation", "-0.1"),
    changed("data.split", split(0.1, 0.1, -1), "seed", "greater than or equal to 0", "-1"),
    changed("data.split", split(0.1, 0.1, 2**32), "seed", "less than 4294967296"),
    changed("seed", 2**32, "less than 4294967296", "4294967296"),
    changed("seed", -1, "greater than or equal to 0"),
    changed("seed", 1.5, "1.5"),
    changed(
        "tokenize.augment",
        {"seed": 2**32, "swap": {"rate": 1.0, "share": 0.1}},
        "seed",
        "less than 4294967296",
    ),
    changed("data.subset", {"train": 1}, "data.subset.train: leaves train 1 row", "two labels"),
    changed("data.subset", {"train": 100_000}, "100000 rows", "has only"),
    changed("data.subset", {"tset": 10}, "no split 'tset'", "'test'"),
    changed("model.config.num_hidden_layers", -2, "whole number from 1", "-2"),
    changed("model.config.num_hidden_layers", 0, "whole number from 1"),
    changed("model.config.num_hidden_layers", True, "int", "True"),
    changed("model.config.num_attention_heads", 2.5, "whole number from 1", "2.5"),
    changed("model.config.hidden_size", -64, "whole number from 1", "-64"),
    changed("model.config.hidden_dropout_prob", 1.5, "from 0 to below 1", "1.5"),
    changed("model.config.initializer_range", -0.02, "a number from 0", "-0.02"),
    changed("tokenize.max_length", 0, "greater than or equal to 1"),
]
