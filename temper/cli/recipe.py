"""recipes/<name>.yaml → params.yaml: complete parameter files for well-known data.

`temper recipe`, `temper recipe mrpc`
"""

import subprocess
from pathlib import Path
from typing import Annotated

import typer

from temper import params
from temper.core.errors import InputError, nearest

RECIPES = Path("recipes")


def recipe(
    name: Annotated[str | None, typer.Argument(help="A file of recipes/; none: list them.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before overwriting.")] = False,
) -> None:
    """List the recipes, or put one in the place of params.yaml."""
    names = sorted(path.stem for path in RECIPES.glob("*.yaml"))
    if name is None:
        show(names)
        return
    if name not in names:
        raise InputError(f"no recipe {name!r}{nearest(name, names)}; there are {', '.join(names)}")
    source, target = RECIPES / f"{name}.yaml", params.PARAMS_FILE
    params.load(source)
    if is_edited(target) and not yes:
        typer.confirm(f"{target} has changes that are not committed; overwrite it?", abort=True)
    text = source.read_text(encoding="utf-8").replace("../params.schema", "params.schema")
    target.write_text(text, encoding="utf-8")
    print(f"{target} is {source}; next: temper check, then dvc repro")


def show(names: list[str]) -> None:
    """Print a table: name, task, data, and the score the literature reports."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="temper recipe <name>")
    for heading in ("name", "task", "data", "reported"):
        table.add_column(heading, overflow="fold")
    for name in names:
        path = RECIPES / f"{name}.yaml"
        p = params.load(path)
        data = p.data.hub.name or Path(p.data.files["train"]).parent.as_posix()
        table.add_row(name, p.task.name, data, reported(path))
    Console().print(table)


def reported(path: Path) -> str:
    """Return the score in the recipe's comment, `# reported: …`."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [line for line in lines if line.startswith("# reported: ")]
    return found[0].removeprefix("# reported: ") if found else ""


def is_edited(path: Path) -> bool:
    """Tell whether overwriting loses something: the file is not committed, and no recipe."""
    if not path.exists():
        return False
    text = path.read_text(encoding="utf-8")
    for other in RECIPES.glob("*.yaml"):
        if other.read_text(encoding="utf-8").replace("../params.schema", "params.schema") == text:
            return False
    try:
        command = ["git", "status", "--porcelain", "--", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return True
    return bool(done.stdout.strip())
