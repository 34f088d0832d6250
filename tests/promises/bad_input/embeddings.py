"""Embeddings: rows of no form, batches that would be divided, poolings that temper lacks."""

import json
from functools import partial

from tests.promises.bad_input import ABSENT, BadInput, changed

MODEL = "data/sample/model"
RECIPE = "sample-embeddings"
CUSTOM_METRIC = {"mine.py": "def share(predictions, references):\n    return 0.5\n"}


def modules(*names: str) -> str:
    """Return the text of a modules.json."""
    paths = ("" if name == "Transformer" else f"{i}_{name}" for i, name in enumerate(names))
    entries = zip(names, paths, strict=True)
    return json.dumps(
        [{"type": f"sentence_transformers.models.{n}", "path": p} for n, p in entries]
    )


def pooling(*modes: str) -> dict[str, str]:
    """Return the files of a checkpoint with these poolings."""
    settings = {f"pooling_mode_{mode}": True for mode in modes}
    return {
        f"{MODEL}/modules.json": modules("Transformer", "Pooling"),
        f"{MODEL}/1_Pooling/config.json": json.dumps(settings),
    }


own = partial(changed, recipe=RECIPE)
CASES = (
    BadInput(
        name="no-form",
        recipe=RECIPE,
        changes={"task.score": "score"},
        says=("text and score", "found anchor, negative, positive, score"),
    ),
    own("train.per_device_batch_size", 16, "16 would leave each row fewer others", "remove it"),
    own("train.launch", "cpu_2", "cpu_2.yaml starts 2 processes", "set train.launch to single"),
    own("train.label_smoothing", 0.1, "about classes, and embeddings have none; remove it"),
    BadInput(
        name="temperature-of-a-custom-loss",
        recipe=RECIPE,
        changes={"task.temperature": 0.1, "train.loss": "mine.f", "code": {"mine": "mine.py"}},
        files={"mine.py": "def f(logits, labels):\n    return logits.sum()\n"},
        says=("task.temperature", "has no effect on a custom train.loss; remove it"),
    ),
    BadInput(
        name="custom-metrics",
        recipe=RECIPE,
        changes={"evaluate.metrics": ["mine.share"], "code": {"mine": "mine.py"}},
        files=CUSTOM_METRIC,
        says=("evaluate.metrics", "anchors have none; remove it"),
    ),
    BadInput(
        name="custom-best-metric",
        recipe=RECIPE,
        changes={"train.metric_for_best_model": "mine.share", "code": {"mine": "mine.py"}},
        files=CUSTOM_METRIC,
        says=("train.metric_for_best_model", "anchors have none; name one of the task's"),
    ),
    own("train.r_drop_alpha", 1.0, "has no effect here with embeddings"),
    BadInput(
        name="unknown-pooling",
        recipe=RECIPE,
        files=pooling("lasttoken"),
        says=("pools its tokens by 'lasttoken'; supported are mean, cls, max", "task.pooling"),
    ),
    BadInput(
        name="two-poolings",
        recipe=RECIPE,
        files=pooling("mean_tokens", "max_tokens"),
        says=("joins the vectors of several poolings (max, mean)",),
    ),
    BadInput(
        name="dense-module",
        recipe=RECIPE,
        files=pooling("mean_tokens")
        | {f"{MODEL}/modules.json": modules("Transformer", "Pooling", "Dense")},
        says=("has the module Dense, which changes vectors", "remove modules.json"),
    ),
    BadInput(
        name="no-pooling-config",
        recipe=RECIPE,
        files={f"{MODEL}/modules.json": modules("Transformer", "Pooling")},
        says=("modules.json or the config.json of its pooling cannot be read",),
    ),
    BadInput(
        name="prompts-of-the-checkpoint",
        recipe=RECIPE,
        files={
            f"{MODEL}/config_sentence_transformers.json": json.dumps(
                {"prompts": {"query": "query: ", "passage": "passage: "}}
            )
        },
        says=('task.prompts: {"query": "query: ", "document": "passage: "}', "they get none"),
    ),
    BadInput(
        name="prompts-left-out-of-the-pooling",
        recipe=RECIPE,
        changes={"task.prompts": {"query": "query: ", "document": ""}},
        files=pooling("mean_tokens")
        | {
            f"{MODEL}/1_Pooling/config.json": json.dumps(
                {"pooling_mode": "mean", "include_prompt": False}
            )
        },
        says=("leaves the tokens of prompts out", "remove task.prompts"),
    ),
    BadInput(
        name="encoder-and-decoder",
        recipe=RECIPE,
        changes={"model.files": {"sample": "data/sample/seq2seq_lm/model"}},
        says=("t5 is an encoder with a decoder", "one of the two alone"),
    ),
    own("task.positive", "other", "no column 'other'", "anchor, positive, negative"),
    BadInput(
        name="one-score-column",
        recipe=RECIPE,
        changes={
            **dict.fromkeys(("task.anchor", "task.positive", "task.negative"), ABSENT),
            "task.text": ["anchor"],
            "task.score": "score",
        },
        says=("task.text", "at least 2 items"),
    ),
)
