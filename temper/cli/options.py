"""Options and arguments that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

EXPORT, LOOPBACK = Path("data/export"), "127.0.0.1"  # defaults

Model = Annotated[Path, typer.Option(help="A folder written by the export stage.")]
TrustCode = Annotated[
    bool, typer.Option("--trust-code", help="Run the Python files in the model's folder.")
]
Port = Annotated[int, typer.Option(min=0, help="0: any free port.")]
Host = Annotated[
    str, typer.Option(help="0.0.0.0: every network this machine is on may use the model.")
]
Experiments = Annotated[
    list[str] | None,
    typer.Argument(metavar="EXPERIMENT", help="Default: all of the current commit."),
]
