"""The `temper` command; each subcommand is a module here, imported when it is called."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

import temper
from temper.core import errors, startup

COMMANDS = {  # name of the module and of its function → first line of the function's docstring
    "init": "Write params.yaml for data of yours, track the data with DVC, and check everything.",
    "check": "Report every mistake in params.yaml, dvc.yaml, the data and the model.",
    "recipe": "List the recipes, or copy one to params.yaml.",
    "summary": "Show the scores, the model, whether dvc.lock was reproduced, and next commands.",
    "sweep": "Search for the parameters with the best validation score; resumes if interrupted.",
    "best": "Apply the best trial or experiment, score it on test, export and register it.",
    "folds": "Aggregate a cross-validation: the scores of each fold, their mean, all rows pooled.",
    "curve": "Plot a validation score against the number of labelled training rows.",
    "compare": "Test whether one model is better than another on the same rows.",
    "doubts": "List training rows whose labels look wrong, or apply the list once it is corrected.",
    "next": "Pick the rows of an unlabelled file to label next.",
    "predict": "Add predictions to every row of a file, in its order.",
    "demo": "Open a page to try the exported model on: its task's form, and what it predicts.",
    "serve": "Serve the exported model over HTTP, or write a folder for Docker that does.",
    "verify": "Rebuild the current commit in a scratch clone and compare every hash with dvc.lock.",
    "push": "Upload an exported model with its card to the Hugging Face Hub (HF_TOKEN).",
    "sync": "Send to MLflow what the stages could not.",
}


class LazyGroup(TyperGroup):
    """Shows COMMANDS in `--help`, so that listing the commands imports none of their libraries."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, _, arguments = super().resolve_command(ctx, args)
        if name is None:
            return name, None, arguments
        command = typer.Typer(add_completion=False)
        command.command(name)(getattr(import_module(f"temper.cli.{name}"), name))
        return name, typer.main.get_command(command), arguments

    def invoke(self, ctx: Any) -> Any:
        with errors.exit_on_input_error():  # typer would end on Ctrl-C without a word
            return super().invoke(ctx)


app = typer.Typer(
    cls=LazyGroup,
    help="Fine-tune a transformer from a lock file. The pipeline itself runs by `dvc repro`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command_name, first_line in COMMANDS.items():
    app.command(command_name, help=first_line)(lambda: None)


def warn_of_another_clone() -> None:
    """Say where this code is of another clone than the one it is run in, whose stages run its own.

    So it is where another clone's environment is active, or PYTHONPATH names that clone.
    """
    own, here = Path(temper.__file__), Path("temper", "__init__.py")
    if here.is_file() and not here.samefile(own):
        print(
            f"warning: this temper is the code of {own.parent.parent}, and the stages run that of "
            f"{Path.cwd()}: activate the environment of this folder (make setup makes it)",
            file=sys.stderr,
        )


def main() -> None:
    startup.collect_rarely()
    warn_of_another_clone()
    app()
