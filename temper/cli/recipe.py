"""Copy recipes/<name>.yaml to params.yaml: complete parameters for well-known data sets.

`temper recipe`, `temper recipe mrpc`
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from temper import params, repo
from temper.core import artifacts
from temper.core.errors import InputError, alternatives

RECIPES = Path("recipes")


def recipe(
    name: Annotated[
        str | None, typer.Argument(help="A file of recipes/; without it, list them.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Overwrite without asking.")] = False,
) -> None:
    """List the recipes, or copy one to params.yaml."""
    names = sorted(path.stem for path in RECIPES.glob("*.yaml"))
    if name is None:
        print_recipes(names)
        return
    if name not in names:
        raise InputError(f"no recipe {name!r}{alternatives(name, names)}")
    source, target = RECIPES / f"{name}.yaml", params.PARAMS_FILE
    params.load(source)
    if has_unsaved_changes(target) and not yes:
        typer.confirm(f"{target} has uncommitted changes; overwrite it?", abort=True)
    text = source.read_text(encoding="utf-8").replace("../params.schema", "params.schema")
    artifacts.replace_text(target, text)
    print(f"copied {source} to {target}; next: temper check, then dvc repro")


def print_recipes(names: list[str]) -> None:
    """Print a table: name, task, data, and the score that was published."""
    table = Table(title="temper recipe <name>")
    table.add_column("name", no_wrap=True)  # to copy
    for heading in ("task", "data", "reported"):
        table.add_column(heading, overflow="fold")
    for name in names:
        path = RECIPES / f"{name}.yaml"
        p = params.load(path)
        data = p.data.hub.name or Path(p.data.files["train"]).parent.as_posix()
        table.add_row(name, p.task.name, data, reported_score(path))
    Console().print(table)


def reported_score(path: Path) -> str:
    """Return the score in the recipe's comment, `# reported: …`."""
    lines = path.read_text(encoding="utf-8").splitlines()
    prefix = "# reported: "
    return next((line.removeprefix(prefix) for line in lines if line.startswith(prefix)), "")


def has_unsaved_changes(path: Path) -> bool:
    """Check whether overwriting loses anything: neither git nor recipes/ has the file as it is."""
    if not path.exists():
        return False
    text = path.read_text(encoding="utf-8")
    for recipe_file in RECIPES.glob("*.yaml"):
        recipe_text = recipe_file.read_text(encoding="utf-8")
        if recipe_text.replace("../params.schema", "params.schema") == text:
            return False
    return repo.try_git("status", "--porcelain", "--", str(path)) != ""
