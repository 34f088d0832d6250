"""An export's tokenizer → two files beside its ONNX graphs, for predicting without transformers."""

from pathlib import Path
from typing import Any

from temper.core.errors import summary
from temper.params.schema import Params
from temper.prediction import packed
from temper.prediction.predictor import Predictor
from temper.tasks.base import registry
from temper.tasks.base.texts import has_own_call

ODD = ("A text.", "", "naïve café 😀 end", "e\u0301 你好 世界", "tab\there", "word " * 700)


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
        return f"{parameters.task.name} needs transformers to write texts"
    if parameters.tokenize.encode is not None:
        return "tokenize.encode is Python code of yours, whose libraries are not known"
    if not tokenizer.is_fast or has_own_call(tokenizer):
        return f"{type(tokenizer).__name__} is Python code of transformers"
    return None


def difference(graphs: Path, predictor: Predictor, parameters: Params) -> str | None:
    """Return what differs where the files encode texts that transformers has encoded."""
    kinds: dict[str, list[Any]] = {
        "text": list(ODD),
        "texts": [[text or "a", *text.split()] for text in ODD],
    }
    columns = {name: kinds[kind] for name, kind in parameters.task.inputs.items()}
    task = registry.load(parameters).for_model(predictor.config)
    encoded = task.encode(dict(columns), predictor.processor, mode="predict")
    parts = packed.read(graphs)
    if parts is not None and task.encode(dict(columns), parts[1], mode="predict") == encoded:
        return None
    return f"{type(predictor.processor).__name__} encodes other ids without transformers"
