"""dvc.yaml → what it names and nobody has: code, modules, parameters."""

import re
from pathlib import Path
from typing import Any

from temper import params
from temper.core.errors import InputError, nearest
from temper.core.yaml_file import compose, scalars

PIPELINE = Path("dvc.yaml")
CODE = ("stages/", "temper/")
LOOP = ("item", "key")  # what `foreach` fills in


def mistakes(parameters: params.Params | None) -> list[str]:
    """Return each name in dvc.yaml that leads nowhere, with its line.

    Args:
        parameters: fill in `${task.name}` and the like; None skips what needs one.
    """
    try:
        tree = compose(PIPELINE)
    except InputError as error:
        return [str(error)]
    values = params.flatten(parameters) if parameters else {}
    found = []
    for line, under, text in scalars(tree):
        keys = re.findall(r"\$\{([^}]+)\}", text)
        wanted = [text] if under == "params" and not keys else keys
        if parameters:
            found += [f"{PIPELINE}:{line}: {text}" for text in absent_keys(wanted, values)]
        for key in keys:
            text = text.replace("${" + key + "}", str(values.get(key, "${" + key + "}")))
        found += [f"{PIPELINE}:{line}: {text}" for text in absent_code(text)]
    return found


def absent_keys(wanted: list[str], values: dict[str, Any]) -> list[str]:
    """Return a message for each key that is neither a parameter nor a group of them."""
    groups = {key.rsplit(".", depth)[0] for key in values for depth in range(4)}
    return [
        f"{params.PARAMS_FILE} has no {key}{nearest(key, sorted(groups))}"
        for key in wanted
        if key not in groups and key.split(".")[0] not in LOOP
    ]


def absent_code(text: str) -> list[str]:
    """Return a message for each file, folder or module of code in `text` that does not exist."""
    paths = [f"{name.replace('.', '/')}.py" for name in re.findall(r"-m (stages\.[\w.]+)", text)]
    paths += [text] if text.startswith(CODE) and "$" not in text else []
    code = [path.as_posix() for folder in CODE for path in Path(folder).rglob("[!_]*")]
    return [
        f"{path} does not exist{nearest(path, code)}" for path in paths if not Path(path).exists()
    ]
