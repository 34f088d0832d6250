"""An export's tokenizer → two files beside its ONNX graphs, for predicting without transformers."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from temper.core.errors import InputError, summary
from temper.params.schema import Params
from temper.prediction import packed
from temper.prediction.predictor import Predictor
from temper.tasks.base import registry
from temper.tasks.base.texts import has_own_call

LONG = "word " * 700
ODD = ("A text.", "", "naïve café 😀 end", "e\u0301 你好 世界", "tab\there", LONG)


def write(graphs: Path, predictor: Predictor, parameters: Params) -> dict[str, str]:
    """Write the files if they encode texts of many kinds as transformers does.

    Args:
        graphs: the folder of the ONNX graphs, which may not exist.
        predictor: of the trained model.
        parameters: those that the export stores.

    Returns:
        nothing, or `needs_transformers` with the reason why there are no files, for parity.json.
    """
    if not graphs.is_dir():
        return {}
    reason = why_not(predictor, parameters)
    if reason is None:
        try:
            packed.write(graphs, predictor.config, predictor.processor)
        except Exception as error:  # tokenizers raises its own, and others
            name = type(predictor.processor).__name__
            reason = f"{name} cannot be saved without transformers ({summary(error):.200})"
        else:
            reason = difference(graphs, predictor, parameters)
    if reason is None:
        return {}
    for name in (packed.FACTS, packed.TOKENIZER):
        (graphs / name).unlink(missing_ok=True)
    return {"needs_transformers": reason}


def why_not(predictor: Predictor, parameters: Params) -> str | None:
    """Return why ONNX Runtime and tokenizers alone cannot ask a model; None: they can."""
    task, tokenizer = predictor.task, predictor.processor
    if task.auto_processor != "AutoTokenizer":
        return f"{parameters.task.name} needs transformers to prepare its inputs"
    if task.is_language_model:
        return f"{parameters.task.name} needs transformers to make texts of tokens"
    if parameters.tokenize.encode is not None:
        return "tokenize.encode is Python code of yours, whose libraries are not known"
    if not tokenizer.is_fast or has_own_call(tokenizer):
        return f"{type(tokenizer).__name__} is Python code of transformers"
    return None


def difference(graphs: Path, predictor: Predictor, parameters: Params) -> str | None:
    """Return what differs where the files encode texts that transformers has encoded."""
    task, theirs = registry.load(parameters).for_model(predictor.config), predictor.processor
    parts = packed.read(graphs.parent)
    for row in odd_rows(parameters.task.inputs):
        try:
            encoded = task.encode(row, theirs, mode="predict")
        except InputError:  # the task refuses such texts
            continue
        if parts is None or task.encode(row, parts[1], mode="predict") != encoded:
            return f"{type(theirs).__name__} encodes other ids without transformers"
    return None


def odd_rows(inputs: Mapping[str, str]) -> Iterator[dict[str, list[Any]]]:
    """Yield rows with the same text in all columns, then one that is long in the last alone."""
    for text in ODD:
        values = {"text": text, "texts": [text or "a", *text.split()]}
        yield {name: [values[kind]] for name, kind in inputs.items()}
    *others, last = inputs
    values = {"text": LONG, "texts": LONG.split()}
    short = {name: ["A text." if inputs[name] == "text" else ["A", "text."]] for name in others}
    yield short | {last: [values[inputs[last]]]}
