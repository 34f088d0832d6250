"""Your data → a params.yaml to start from, data tracked by DVC, checked.

`temper init mydata/reviews.csv --model distilbert/distilbert-base-uncased`
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from temper.core.errors import InputError

DATA, MODELS = Path("mydata"), Path("models")  # where data and models from elsewhere are copied to


def init(
    data: Annotated[
        str, typer.Argument(help="A file, a folder, or a data set on the Hub (owner/name).")
    ],
    model: Annotated[str | None, typer.Option(help="A model folder, or an id on the Hub.")] = None,
    task: Annotated[str | None, typer.Option(help="Its name; else by the columns.")] = None,
    text: Annotated[
        list[str] | None, typer.Option(help="The text column; twice for a pair.")
    ] = None,
    label: Annotated[str | None, typer.Option(help="The label column.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing.")] = False,
    commit: Annotated[bool, typer.Option(help="Commit params.yaml and what tracks data.")] = False,
) -> None:
    """Write params.yaml for data of yours, track the data with DVC, and check everything."""
    from rich.console import Console
    from rich.table import Table

    from temper import params, repo
    from temper.cli.check import check
    from temper.cli.recipe import has_unsaved_changes
    from temper.init import proposal, source
    from temper.init.roles import Wishes

    repo.check_repository()
    asks = not yes and sys.stdin.isatty()
    target = params.PARAMS_FILE
    if has_unsaved_changes(target) and not yes:
        if not asks:
            raise InputError(f"{target} has uncommitted changes; commit them, or overwrite: --yes")
        typer.confirm(f"{target} has uncommitted changes; overwrite it?", abort=True)
    wishes = Wishes(
        choose=choose if asks else refuse, task=task, text=tuple(text or ()), label=label
    )
    found = source.find_source(data, DATA)
    proposed = proposal.propose(found, wishes, model, MODELS, f"temper init {data}")
    target.write_text(proposed.text, encoding="utf-8")
    table = Table(show_header=False, title=f"temper init {data}", title_justify="left")
    for name, fact in proposed.facts:
        table.add_row(name, fact)
    Console(highlight=False, markup=False).print(table)
    tracked = track([*found.tracked, *filter(None, [proposed.model_folder])])
    check()
    if commit:
        repo.git("add", "--", str(target), *tracked)
        repo.git("commit", "-qm", f"Parameters for {data}", "--", str(target), *tracked)
    print("next: dvc repro" if commit else f"next: git add {' '.join([str(target), *tracked])}")
    if not commit:
        print("      git commit -m 'Parameters', then dvc repro")


def track(paths: Sequence[Path]) -> list[str]:
    """Put data and models under DVC, unless git has them; return what git has to add."""
    from temper import repo

    files: list[str] = []
    for path in dict.fromkeys(paths):
        if repo.try_git("ls-files", "--", str(path)):
            print(f"{path} is tracked by git, and stays so")
            continue
        pointer = path.with_name(f"{path.name}.dvc")
        if repo.dvc("add", "--quiet", str(path)):
            raise InputError(f"dvc add {path} failed; params.yaml is written")
        files += [pointer.as_posix(), (path.parent / ".gitignore").as_posix()]
        print(f"tracked {path} with dvc add")
    return list(dict.fromkeys(files))


def choose(question: str, choices: Sequence[str], default: str | None, option: str) -> str:
    """Ask on the terminal, until the answer is one of the choices."""
    while True:
        answer = typer.prompt(f"{question} ({', '.join(choices)})", default=default)
        if answer in choices:
            return answer


def refuse(question: str, choices: Sequence[str], default: str | None, option: str) -> str:
    """Take the default, or say which option answers the question.

    Raises:
        InputError: there is no default.
    """
    if default is None:
        raise InputError(f"{question} {', '.join(choices)}: say so with {option}")
    print(f"{question} {default} (of {', '.join(choices)}; else {option})")
    return default
