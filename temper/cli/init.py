"""Your data → a params.yaml to start from, data tracked by DVC, checked.

`temper init mydata/reviews.csv --model distilbert/distilbert-base-uncased`
"""

import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from temper.core import artifacts
from temper.core.errors import InputError, nearest

DATA, MODELS = Path("mydata"), Path("models")  # where data and models from elsewhere are copied to


def init(
    data: Annotated[
        str, typer.Argument(help="A file, a folder, or a data set on the Hub (owner/name).")
    ],
    model: Annotated[str | None, typer.Option(help="A model folder, or an id on the Hub.")] = None,
    task: Annotated[str | None, typer.Option(help="Its name; else by the columns.")] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(help="The text column; twice: a pair; 'a, b': one text of both."),
    ] = None,
    label: Annotated[str | None, typer.Option(help="The label column.")] = None,
    config: Annotated[str | None, typer.Option(help="Of a data set on the Hub.")] = None,
    quality: Annotated[
        Literal["quick", "good", "best"],
        typer.Option(
            help="Take good: usual values to fine-tune. quick, where time is short: a third of "
            "the plain Trainer's at batch size 8. best, for pairs of texts where time is not: two "
            "trainings in place of one. Scores of quick and best are known for one or two data "
            "sets alone: docs/what-helps.md."
        ),
    ] = "good",
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing.")] = False,
    commit: Annotated[bool, typer.Option(help="Commit params.yaml and what tracks data.")] = False,
) -> None:
    """Write params.yaml for data of yours, track the data with DVC, and check everything."""
    from temper import params, repo
    from temper.cli.check import check
    from temper.init import proposal, source
    from temper.init.roles import Wishes

    repo.check_repository()
    repo.git("rev-parse", "--git-dir")  # it is asked what it tracks, once params.yaml is written
    if commit:
        repo.check_identity()
    target, asks = params.PARAMS_FILE, not yes and sys.stdin.isatty()
    if not yes:
        check_edits(target, asks)
    wishes = Wishes(
        choose=choose if asks else refuse,
        task=task,
        text=tuple(text or ()),
        label=label,
        config=config,
        quality=quality,
    )
    with copies_removed_on_error(DATA, MODELS):
        found = source.find_source(data, DATA, wishes)
        proposed = proposal.propose(found, wishes, model, MODELS)
    artifacts.replace_text(target, proposed.text)
    print_facts(proposed.command, proposed.facts)
    tracked = track([*found.tracked, *filter(None, [proposed.model_folder])])
    try:
        check()
    except InputError as error:
        places = ", ".join([str(target), *found.files.values()])
        hint = f"{places}: correct what is there, then run temper check"
        raise InputError(f"{error}\n{hint}") from None
    paths = [str(target), *tracked]
    if commit:
        commit_paths(paths, f"Parameters for {found.place}")
        print("next: dvc repro")
    else:
        print(f"next: git add {shlex.join(paths)} && git commit -m 'Parameters', then dvc repro")


@contextmanager
def copies_removed_on_error(*folders: Path) -> Iterator[None]:
    """Remove what was copied to the folders if it is not used, so that it may come corrected."""
    before = {path for folder in folders if folder.exists() for path in folder.iterdir()}
    try:
        yield
    except BaseException:
        for folder in filter(Path.exists, folders):
            for path in {*folder.iterdir()} - before:
                (shutil.rmtree if path.is_dir() else Path.unlink)(path)
            if not any(folder.iterdir()):
                folder.rmdir()
        raise


def print_facts(title: str, facts: Sequence[tuple[str, str]]) -> None:
    """Print what each column was taken for, and what was chosen."""
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, title=title, title_justify="left")
    for name, fact in facts:
        table.add_row(name, fact)
    Console(highlight=False, markup=False).print(table)


def check_edits(target: Path, asks: bool) -> None:
    """Ask before edits of params.yaml are overwritten.

    Raises:
        InputError: nobody can be asked.
    """
    from temper.cli.recipe import has_unsaved_changes

    if not has_unsaved_changes(target):
        return
    if not asks:
        raise InputError(f"{target} has uncommitted changes; commit them, or overwrite: --yes")
    typer.confirm(f"{target} has uncommitted changes; overwrite it?", abort=True)


def track(paths: Sequence[Path]) -> list[str]:
    """Put data and models under DVC, unless git has them; return what git has to add."""
    from temper import repo

    files: list[str] = []
    for path in dict.fromkeys(paths):
        if repo.git("ls-files", "--", str(path)) and not repo.git(
            "ls-files", "-o", "--", str(path)
        ):
            print(f"{path} is tracked by git, and stays so")
            continue
        pointer = path.with_name(f"{path.name}.dvc")
        if repo.dvc("add", "--quiet", str(path)):
            raise InputError(f"dvc add {path} failed; params.yaml is written")
        written = (pointer, path.parent / ".gitignore")
        files += [file.as_posix() for file in written if file.exists()]
        print(f"tracked {path} with dvc add")
    return list(dict.fromkeys(files))


def commit_paths(paths: Sequence[str], message: str) -> None:
    """Commit these paths alone, if there is something new in them."""
    from temper import repo

    if repo.git("status", "--porcelain", "--", *paths):
        repo.git("add", "--", *paths)
        repo.git("commit", "-qm", message, "--", *paths)


def choose(question: str, choices: Sequence[str], default: str | None, option: str) -> str:
    """Ask on the terminal, until the answer is one of the choices, or of texts several."""
    from temper.init.texts import split

    while True:
        answer = typer.prompt(f"{question} ({', '.join(choices)})", default=default)
        if answer in choices or (option == "--text" and {*split(answer, choices)} <= {*choices}):
            return answer
        print(f"{answer!r} is none of these{nearest(answer, choices)}")


def refuse(question: str, choices: Sequence[str], default: str | None, option: str) -> str:
    """Take the default, or say which option answers the question.

    Raises:
        InputError: there is no default.
    """
    if default is None:
        raise InputError(f"{question} {', '.join(choices)}: say so with {option}")
    print(f"{question} {default} (of {', '.join(choices)}; else {option})")
    return default
