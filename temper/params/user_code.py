"""`module.name` in params.yaml → a function or class of the user's, from a file under `code`.

`code` maps module names to Python files, so that DVC watches them; nothing else is imported so.
"""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from temper.core.errors import InputError, nearest

if TYPE_CHECKING:
    from temper.params.schema import Params, Settings


def resolve(name: str | None, key: str, code: Mapping[str, str]) -> Any:
    """Return what a dotted name stands for, or None for None.

    Args:
        name: `module.attribute`.
        key: the parameter that holds it, for errors.
        code: module → file.

    Raises:
        InputError: no such module, file or attribute, or the file fails when it is imported.
    """
    if name is None:
        return None
    module, _, attribute = name.rpartition(".")
    if module not in code:
        raise InputError(
            f"{key}: {name!r} is not module.name of a file under `code`"
            f"{nearest(module, list(code))}; it holds {', '.join(code) or 'none'}: add "
            f"{module or 'my_code'}: path/to/file.py there"
        )
    loaded = _load(module, Path(code[module]), key)
    if not callable(getattr(loaded, attribute, None)):
        known = [n for n, value in vars(loaded).items() if callable(value) and n[0] != "_"]
        raise InputError(
            f"{key}: {code[module]} has no function or class {attribute!r}"
            f"{nearest(attribute, known)}; it has {', '.join(known) or 'none'}"
        )
    return getattr(loaded, attribute)


def _load(module: str, file: Path, key: str) -> Any:
    if not file.is_file():
        raise InputError(f"{key}: code.{module} is {file}, and there is no such file")
    spec = importlib.util.spec_from_file_location(f"temper_code_{module}", file)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(loaded)
    except Exception as error:  # whatever the user's file raises
        raise InputError(f"{key}: {file} fails when it is imported: {error!r}") from error
    return loaded


def metrics(settings: "Settings") -> dict[str, Callable[[list, list], float]]:
    """Return the functions that `evaluate.metrics` names, by their own names."""
    found = {}
    for name in settings.evaluate.metrics or ():
        found[last(name)] = resolve(name, "evaluate.metrics", settings.code)
    return found


def trained_metric(parameters: "Params") -> dict[str, Callable[[list, list], float]]:
    """Return the function that `train.metric_for_best_model` names, by its own name; or {}."""
    best = parameters.train.metric_for_best_model
    if "." not in best:
        return {}
    return {last(best): resolve(best, "train.metric_for_best_model", parameters.code)}


def last(name: str) -> str:
    """Return the attribute of a dotted name; a plain name is its own."""
    return name.rpartition(".")[2]


def scores(
    functions: Mapping[str, Callable[[list, list], float]],
    predictions: Sequence[Any],
    references: Sequence[Any],
) -> dict[str, float]:
    """Return each function's score of predictions and references as people read them.

    Raises:
        InputError: a function fails, or returns no number.
    """
    found: dict[str, float] = {}
    for name, function in functions.items():
        try:
            found[name] = float(function(list(predictions), list(references)))
        except Exception as error:
            raise InputError(f"evaluate.metrics: {name} fails: {error!r}") from error
    return found


def wrapped(task: Any, settings: "Settings") -> Any:
    """Return the task with `tokenize.encode` around its own; see docs/custom-code.md."""
    function = resolve(settings.tokenize.encode, "tokenize.encode", settings.code)
    if function is not None:
        plain = task.encode

        def encode(examples: Mapping[str, list], processor: Any, *, mode: str) -> dict:
            inner = partial(plain, processor=processor, mode=mode)
            return function(examples, processor, inner)

        task.encode = encode
    return task


def check(parameters: "Params") -> list[tuple[str, str]]:
    """Return (key, message) for each name in the parameters that leads nowhere."""
    p, found = parameters, []
    named = [("model.custom_class", p.model.custom_class), ("tokenize.encode", p.tokenize.encode)]
    named += [(f"train.{key}", getattr(p.train, key)) for key in ("loss", "collator")]
    if p.train.optimizer != "adamw_8bit":
        named.append(("train.optimizer", p.train.optimizer))
    if "." in p.train.metric_for_best_model:
        named.append(("train.metric_for_best_model", p.train.metric_for_best_model))
    named += [("train.callbacks", name) for name in p.train.callbacks or ()]
    named += [("evaluate.metrics", name) for name in p.evaluate.metrics or ()]
    for key, name in named:
        try:
            resolve(name, key, p.code)
        except InputError as error:
            found.append((key, str(error).removeprefix(f"{key}: ")))
    return found
