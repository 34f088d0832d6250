"""Checks of dvc.yaml: the code, modules and parameters it names exist."""

import re
from pathlib import Path
from typing import Any

from temper import params
from temper.core.errors import InputError, nearest
from temper.core.yaml_file import compose, scalars

PIPELINE = Path("dvc.yaml")
CODE = ("stages/", "temper/")
FOREACH = ("item", "key")  # variables that `foreach` defines


def mistakes(parameters: params.Params | None) -> list[str]:
    """List the names in dvc.yaml that do not exist, each with its line.

    Args:
        parameters: the values of `${task.name}` and the like; None skips the checks that need them.
    """
    try:
        tree = compose(PIPELINE)
    except InputError as error:
        return [str(error)]
    values = params.flatten(parameters) if parameters else {}
    messages = []
    for line, under, text in scalars(tree):
        keys = re.findall(r"\$\{([^}]+)\}", text)
        names = [text] if under == "params" and not keys else keys
        if parameters:
            messages += [f"{PIPELINE}:{line}: {text}" for text in unknown_keys(names, values)]
        for key in keys:
            text = text.replace("${" + key + "}", str(values.get(key, "${" + key + "}")))
        messages += [f"{PIPELINE}:{line}: {text}" for text in missing_code(text)]
    return messages


def unknown_keys(keys: list[str], values: dict[str, Any]) -> list[str]:
    """List a message for each key that is neither a parameter nor a group of parameters."""
    groups = {key.rsplit(".", depth)[0] for key in values for depth in range(4)}
    return [
        f"{params.PARAMS_FILE} has no {key}{nearest(key, sorted(groups))}"
        for key in keys
        if key not in groups and key.split(".")[0] not in FOREACH
    ]


def missing_code(text: str) -> list[str]:
    """List a message for each file, folder or module of code in `text` that does not exist."""
    paths = [f"{name.replace('.', '/')}.py" for name in re.findall(r"-m (stages\.[\w.]+)", text)]
    paths += [text] if text.startswith(CODE) and "$" not in text else []
    code = [path.as_posix() for folder in CODE for path in Path(folder).rglob("[!_]*")]
    return [
        f"{path} does not exist{nearest(path, code)}" for path in paths if not Path(path).exists()
    ]
