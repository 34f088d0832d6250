"""Numbers of params.yaml that mean nothing."""

from tests.promises.bad_input import BadInput

CASES = [
    BadInput(
        name="class_weights_count",
        changes={"train.class_weights": [1.0, 2.0, 3.0]},
        says=("params.yaml:", "train.class_weights", "3", "2 labels"),
    ),
]
