"""The `temper` command; each subcommand is a module here."""

import typer

from temper.cli import (
    best,
    check,
    compare,
    curve,
    folds,
    predict,
    push,
    recipe,
    summary,
    sweep,
    sync,
    verify,
)
from temper.core import errors

app = typer.Typer(
    help="Fine-tune a transformer from a lock file. The pipeline itself runs by `dvc repro`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(check.check)
app.command()(recipe.recipe)
app.command()(summary.summary)
app.command()(sweep.sweep)
app.command()(best.best)
app.command()(folds.folds)
app.command()(curve.curve)
app.command()(compare.compare)
app.command()(predict.predict)
app.command()(verify.verify)
app.command()(push.push)
app.command()(sync.sync)


def main() -> None:
    with errors.reported():
        app()
