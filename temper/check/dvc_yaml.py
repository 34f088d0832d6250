"""Checks of dvc.yaml: what `dvc repro` would refuse, and the code and parameters it names."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from temper import params
from temper.core import causes, yaml_file
from temper.core.errors import InputError, nearest
from temper.core.pipeline import PIPELINE
from temper.core.yaml_file import compose, line_of

CODE = ("stages/", "temper/")
FOREACH = ("item", "key")  # variables that `foreach` defines
ADVICE = re.compile(r"To suppress this check.*|Use `dvc remove`.*|To keep reproducib.*", re.DOTALL)


def mistakes(parameters: params.Params | None) -> list[str]:
    """List what is wrong with dvc.yaml, each with its line.

    Args:
        parameters: the values of `${task.name}` and the like; None skips the checks that need them.
    """
    try:
        tree = compose(PIPELINE)
    except InputError as error:
        return [str(error)]
    values = defaults(tree) | (params.flatten(parameters) if parameters else {})
    messages = [f"{PIPELINE}:{line}: {text}" for line, _, text in yaml_file.mistakes(tree)]
    for node, under in yaml_file.nodes(tree):
        if not isinstance(node, yaml.ScalarNode):
            continue
        line, text = node.start_mark.line + 1, node.value
        keys = re.findall(r"\$\{([^}]+)\}", text)
        names = [text] if under == "params" and not keys else keys
        if parameters:
            messages += [f"{PIPELINE}:{line}: {text}" for text in unknown_keys(names, values)]
        for key in keys:
            text = text.replace("${" + key + "}", str(values.get(key, "${" + key + "}")))
        messages += [f"{PIPELINE}:{line}: {text}" for text in missing_code(text)]
        messages += [f"{PIPELINE}:{line}: {text}" for text in wrong_arguments(text)]
    if parameters and not messages:
        messages += refused_by_dvc(tree)
    return messages


def defaults(tree: yaml.MappingNode) -> dict[str, Any]:
    """Return what `vars` of dvc.yaml gives for keys of two parts that params.yaml leaves out."""
    found = yaml_file.values(tree, str(PIPELINE)).get("vars")
    groups = [group for item in found or () if isinstance(item, dict) for group in item.items()]
    return {
        f"{group}.{key}": value
        for group, keys in groups
        if isinstance(keys, dict)
        for key, value in keys.items()
    }


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
    missing = [path for path in paths if not Path(path).exists()]
    if not missing:
        return []
    code = [path.as_posix() for folder in CODE for path in Path(folder).rglob("[!_]*")]
    return [f"{path} does not exist{nearest(path, code)}" for path in missing]


def wrong_arguments(command: str) -> Iterator[str]:
    """Yield a message for each stage module that is not given the arguments its `main` takes."""
    for module, words in re.findall(r"-m (stages\.\w+)((?:\s+[^\s-]\S*)*)", command):
        file = Path(f"{module.replace('.', '/')}.py")
        tree = ast.parse(file.read_text(encoding="utf-8")) if file.exists() else ast.Module([], [])
        for function in tree.body:
            if isinstance(function, ast.FunctionDef) and function.name == "main":
                names, given = [a.arg for a in function.args.args], len(words.split())
                if given < len(names) or (given > len(names) and function.args.vararg is None):
                    yield f"{module} takes {len(names)} arguments ({', '.join(names)}), not {given}"


def refused_by_dvc(tree: yaml.MappingNode) -> list[str]:
    """List what DVC refuses before it runs a stage: keys, cycles, outputs of two stages, deps."""
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.repo import Repo
    from dvc.repo.graph import build_graph

    try:
        with Repo(".") as repo:
            stages = repo.stage.load_all(str(PIPELINE))
            build_graph(stages)
            return missing_deps(tree, stages)
    except NotDvcRepoError:
        return ["there is no .dvc folder here: clone the repository with git, or run `dvc init`"]
    except DvcException as error:
        reasons = causes.chain(error, contexts=False)
        text = ": ".join(" ".join(ADVICE.sub("", str(reason)).split()) for reason in reasons)
        keys = re.findall(r"\['(\w+)'\]", text)
        line = f":{line_of(tree, keys)}" if keys else ""
        return [f"{PIPELINE}{line}: DVC refuses this: {text}"]


def missing_deps(tree: yaml.MappingNode, stages: list[Any]) -> list[str]:
    """List the folders and files that a stage needs, that no stage writes and that are not there.

    Those of params.yaml are checked with what uses them.
    """
    outs = [Path(out.fs_path) for stage in stages for out in stage.outs]
    messages = {}
    for stage in stages:
        for path in (Path(dep.fs_path) for dep in stage.deps if dep.protocol == "local"):
            written = any(path in (out, *out.parents) or out in path.parents for out in outs)
            if not written and not path.exists() and "@" not in str(stage.name):
                line = line_of(tree, ("stages", str(stage.name), "deps"))
                text = f"{stage.name} depends on {path.relative_to(Path.cwd())}, which does not "
                messages[path] = f"{PIPELINE}:{line}: {text}exist and which no stage writes"
    return list(messages.values())
