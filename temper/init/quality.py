"""`--quality` → values of params.yaml in place of the usual ones, and what is known about them.

The numbers are those of docs/what-helps.md, where more is said.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from temper.core.errors import InputError
from temper.init.roles import Roles
from temper.init.settings import Model

Values = dict[str, Any]  # group and key with a dot → value
DROPOUTS = (  # in config.json, by several families of models
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "dropout",
    "attention_dropout",
    "activation_dropout",
)
HEAD_RATE = 10  # times the learning rate of the pretrained weights
SMOOTHING = 0.1


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Values for classification, and the evidence for them."""

    values: Callable[[Values, Roles, Model], Values]
    for_single_texts: bool
    known: str


def _quick(train: Values, roles: Roles, model: Model) -> Values:
    """Train the upper half of the layers, without dropout, at a higher rate for fewer epochs."""
    is_pair = len(roles.task.get("text", ())) == 2
    config = model.config
    num_layers = int(getattr(config, "num_hidden_layers", 0))
    dropouts = [key for key in DROPOUTS if isinstance(getattr(config, key, None), float)]
    return {
        "model.config": dict.fromkeys(dropouts, 0.0),
        **_head(train, "pair" if is_pair else "mean"),
        "train.freeze": {"embeddings": True, "layers": num_layers // 2},
        "train.epochs": max(round(train["epochs"] * 2 / 3), 1),
        "train.learning_rate": train["learning_rate"] * (1.5 if is_pair else 2),
        "train.weight_decay": 0.0,
    }


def _best(train: Values, roles: Roles, model: Model) -> Values:
    """Put a head over both texts, and average the weights of the steps and of two trainings."""
    return {
        **_head(train, "pair"),
        "train.weight_averaging": {"kind": "ema", "decay": 0.99},
        "train.model_soup_size": 2,
    }


def _head(train: Values, pooling: str) -> Values:
    return {
        "model.head": {"kind": "linear", "pooling": pooling, "dropout": 0.1},
        "train.head_learning_rate": train["learning_rate"] * HEAD_RATE,
        "train.label_smoothing": SMOOTHING,
    }


PRESETS: dict[str, Preset | None] = {
    "quick": Preset(
        values=_quick,
        for_single_texts=True,
        known="on MRPC and on film reviews MiniLM had the accuracy of the plain Trainer at batch "
        "size 8 (-1.6 to +1.5 points, 95 % interval of 5 seeds) for 0.31 of its CPU time",
    ),
    "good": None,
    "best": Preset(
        values=_best,
        for_single_texts=False,
        known="on MRPC MiniLM had accuracy 83.3 +- 1.1 (standard deviation of 5 seeds), and with "
        "the plain Trainer at batch size 8 80.8 +- 1.2",
    ),
}
UNKNOWN = "how they compare on other data is not known: docs/what-helps.md"


def apply(name: str, parameters: dict[str, Any], roles: Roles, model: Model) -> str | None:
    """Set a preset's values in the groups of `parameters`; return what is known about them.

    Raises:
        InputError: nothing is known for such data or such a model.
    """
    preset = PRESETS[name]
    if preset is None:
        return None
    refuse = f"--quality {name} was measured for"
    instead = "leave it out; `temper sweep` tries settings on your own data"
    if roles.task.get("problem_type") != "single_label_classification":
        raise InputError(f"{refuse} texts with one label alone; {instead}")
    if len(roles.task.get("text", ())) != 2 and not preset.for_single_texts:
        raise InputError(f"{refuse} pairs of texts alone; {instead}")
    if model.from_scratch or model.config is None:
        why = "has no weights" if model.from_scratch else "cannot be read (its config.json)"
        raise InputError(f"{refuse} pretrained models, and {model.name} {why}; {instead}")
    for dotted, value in preset.values(parameters["train"], roles, model).items():
        group, key = dotted.split(".")
        parameters[group][key] = value
    return f"--quality {name}: {preset.known}; {UNKNOWN}"
