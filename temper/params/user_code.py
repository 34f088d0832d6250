"""`module.name` in params.yaml → a custom function or class, from a file under `code`.

`code` maps module names to Python files, so that DVC watches them; nothing else is imported this
way.
"""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from temper.core.errors import InputError, alternatives

if TYPE_CHECKING:
    from temper.params.schema import Params, Settings

Metric = Callable[[list, list], float]  # of predictions and references


def resolve(name: str | None, key: str, code: Mapping[str, str]) -> Any:
    """Import the function or class that a dotted name stands for; None for None.

    Args:
        name: `module.attribute`.
        key: the parameter that holds it, for errors.
        code: module name → file.

    Raises:
        InputError: no such module, file or attribute, or the file fails when it is imported.
    """
    if name is None:
        return None
    module, _, attribute = name.rpartition(".")
    if module not in code:
        raise InputError(
            f"{key}: {name!r} is not module.name of a file under `code`"
            f"{alternatives(module, code)}: add {module or 'my_code'}: path/to/file.py there"
        )
    imported = _import(module, Path(code[module]), key)
    if not callable(getattr(imported, attribute, None)):
        names = [n for n, value in vars(imported).items() if callable(value) and n[0] != "_"]
        raise InputError(
            f"{key}: {code[module]} has no function or class {attribute!r}"
            f"{alternatives(attribute, names)}"
        )
    return getattr(imported, attribute)


def _import(module: str, file: Path, key: str) -> ModuleType:
    if not file.is_file():
        raise InputError(f"{key}: code.{module} is {file}, and there is no such file")
    spec = importlib.util.spec_from_file_location(f"temper_code_{module}", file)
    if spec is None or spec.loader is None:
        raise InputError(f"{key}: code.{module} is {file}, which is not a Python file (.py)")
    imported = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(imported)
    except (Exception, SystemExit) as error:  # custom code may raise anything
        raise InputError(f"{key}: {file} fails when it is imported: {error!r}") from error
    return imported


def metrics(settings: "Settings") -> dict[str, Metric]:
    """Import the functions that `evaluate.metrics` names, by function name."""
    return {
        attribute_name(name): resolve(name, "evaluate.metrics", settings.code)
        for name in settings.evaluate.metrics or ()
    }


def trained_metric(parameters: "Params") -> dict[str, Metric]:
    """Import the function that `train.metric_for_best_model` names, by function name; or {}."""
    best = parameters.train.metric_for_best_model
    if "." not in best:
        return {}
    return {attribute_name(best): resolve(best, "train.metric_for_best_model", parameters.code)}


def attribute_name(name: str) -> str:
    """Return `f1` for `module.f1`, and a name without a dot as it is."""
    return name.rpartition(".")[2]


def scores(
    functions: Mapping[str, Metric],
    predictions: Sequence[Any],
    references: Sequence[Any],
    key: str = "evaluate.metrics",
) -> dict[str, float]:
    """Score decoded predictions and references by each custom metric, which `key` names.

    Raises:
        InputError: a function fails, or does not return a number.
    """
    values: dict[str, float] = {}
    for name, function in functions.items():
        try:
            values[name] = float(function(list(predictions), list(references)))
        except Exception as error:
            raise InputError(f"{key}: {name} fails: {error!r}") from error
    return values


def encoder(task: Any, settings: "Settings") -> Callable[..., dict[str, list]]:
    """Return the task's encoding, or `tokenize.encode` around it; see docs/custom-code.md."""
    function = resolve(settings.tokenize.encode, "tokenize.encode", settings.code)
    if function is None:
        return task.encode

    def encode(examples: Mapping[str, list], processor: Any, *, mode: str) -> dict[str, list]:
        inner = partial(task.encode, processor=processor, mode=mode)
        columns = function(examples, processor, inner)
        columns = _checked_columns(columns, len(next(iter(examples.values()))))
        if mode == "train" and settings.task.has_label_probabilities:
            _check_has_probabilities(columns)
        return columns

    return encode


def _checked_columns(columns: Any, num_rows: int) -> dict:
    """Return what `tokenize.encode` returned.

    Raises:
        InputError: it is no mapping of columns of one length, or it leaves rows out.
    """
    if not isinstance(columns, Mapping) or "full_length" not in columns:
        raise InputError(
            f"tokenize.encode must return the columns of encode(examples); found {kind_of(columns)}"
        )
    sizes = {name: len(values) for name, values in columns.items()}
    if len(set(sizes.values())) > 1:
        found = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise InputError(f"tokenize.encode must return columns of one length; found {found}")
    encoded = set(columns.get("example_id", range(sizes["full_length"])))
    if encoded != set(range(num_rows)):
        raise InputError(
            f"tokenize.encode must return every row; found {len(encoded)} of {num_rows} (to leave "
            "rows out, use data.filter)"
        )
    return dict(columns)


def _check_has_probabilities(columns: dict) -> None:
    if "label_probabilities" not in columns:
        raise InputError(
            "tokenize.encode must return the column label_probabilities, as encode(examples) does: "
            "task.label_probabilities are learned"
        )


def kind_of(value: Any) -> str:
    """Describe what a custom function returned, for errors."""
    if hasattr(value, "shape"):
        return f"an array of shape {tuple(value.shape)}"
    if isinstance(value, Mapping):
        return f"{', '.join(map(str, value)) or 'nothing'} in a {type(value).__name__}"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return "None" if value is None else f"a {type(value).__name__}"


def check(parameters: "Params") -> list[tuple[str, str]]:
    """Return (key, message) for each name in the parameters that cannot be imported."""
    p = parameters
    named = [("model.custom_class", p.model.custom_class), ("tokenize.encode", p.tokenize.encode)]
    named += [(f"train.{key}", getattr(p.train, key)) for key in ("loss", "collator")]
    if p.train.optimizer != "adamw_8bit":
        named.append(("train.optimizer", p.train.optimizer))
    if "." in p.train.lr_scheduler_type:
        named.append(("train.lr_scheduler_type", p.train.lr_scheduler_type))
    if "." in p.train.metric_for_best_model:
        named.append(("train.metric_for_best_model", p.train.metric_for_best_model))
    named += [("train.callbacks", name) for name in p.train.callbacks or ()]
    named += [("evaluate.metrics", name) for name in p.evaluate.metrics or ()]
    messages = []
    for key, name in named:
        try:
            resolve(name, key, p.code)
        except InputError as error:
            messages.append((key, str(error).removeprefix(f"{key}: ")))
    return messages
