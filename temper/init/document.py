"""Values of params.yaml → its text, one line a key, with comments."""

import textwrap
from collections.abc import Sequence
from typing import Any

import yaml

COMMENTS = {
    "code": "custom code: module name -> Python file",
    "determinism": "docs/reproducibility.md",
    "task.problem_type": "single_label_classification | multi_label_classification | regression",
    "task.label_separator": "between the labels of a cell",
    "task.scheme": "IOB1 | IOB2 (BIO) | BIOES",
    "task.mask_probability": "share of the words to predict",
    "data.source": "files | hub",
    "data.files": "split: file or folder",
    "data.split": "cut from train where missing",
    "data.extra_columns": "kept beside the predictions",
    "data.license": "SPDX id, for the model card",
    "data.description": "the data in one sentence, for the model card",
    "model.files": "local folders by name; {} with a Hub id",
    "tokenize.max_length": "in tokens",
    "tokenize.max_seconds": "of longer clips the beginning is read",
    "tokenize.overflow": "truncate | window",
    "tokenize.stride": "overlap of windows, in tokens",
    "tokenize.padding": "dynamic | max_length",
    "tokenize.synonym_files": "word lists for augmentation",
    "tokenize.translators": "models for augmentation",
    "train.engine": "trainer | loop",
    "train.launch": "a file under launch/",
    "train.batch_size": "global: processes x per device x accumulation",
    "train.learning_rate": "peak",
    "train.warmup_ratio": "share of the steps",
    "train.max_grad_norm": "0: no clipping",
    "train.class_weights": "labels are uneven",
    "train.evaluate_every": "epoch | steps",
    "train.save_every": "epoch | steps",
    "train.keep_checkpoints": "best | last | all",
    "train.metric_for_best_model": "loss, or a validation metric",
    "evaluate.positive_label": "the class of precision, recall and F1",
    "evaluate.zero_shot": "models scored without training",
    "evaluate.bootstrap_samples": "behind the 95 % intervals",
    "export.name": "in the model card and registry",
    "export.license": "SPDX id of the model",
}
COMMENT_COLUMN = 34
WIDTH = 98  # of a heading


def write(parameters: dict[str, Any], headings: Sequence[str]) -> str:
    """Return the text of a params.yaml.

    Args:
        parameters: groups and their values, in the order of the file.
        headings: lines of the first comment.
    """
    lines = ["# yaml-language-server: $schema=params.schema.json"]
    lines += [
        f"# {line}"
        for heading in headings
        for line in textwrap.wrap(heading, WIDTH, break_on_hyphens=False)
    ]
    lines.append("")
    for group, values in parameters.items():
        if group in ("seed", "code", "determinism"):
            lines.append(_line(group, group, values))
            continue
        lines += ["", f"{group}:"]
        lines += [_line(f"  {key}", f"{group}.{key}", value) for key, value in values.items()]
    return "\n".join(lines) + "\n"


def _line(key: str, name: str, value: Any) -> str:
    layout: dict[str, Any] = {"width": 10**6, "sort_keys": False, "allow_unicode": True}
    if isinstance(value, str) and "\n" in value:
        layout["default_style"] = '"'  # in one line, with \n
    text = yaml.safe_dump(value, default_flow_style=True, **layout)
    line = f"{key}: {text.removesuffix('...' + chr(10)).rstrip()}"
    comment = COMMENTS.get(name)
    if name == "task.problem_type" and value in ("summarization", "translation"):
        comment = "summarization | translation"
    return f"{line:<{COMMENT_COLUMN - 1}} # {comment}" if comment else line
