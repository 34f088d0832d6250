"""Open a page to try an exported model on, on this machine; not a stage of the pipeline.

`temper demo`
"""

import os
import sys
import webbrowser
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Annotated

import typer

from temper.cli import lock_note, options
from temper.cli.without_torch import without_torch
from temper.core import cores
from temper.demo import examples, server
from temper.prediction.engines import needs_torch
from temper.prediction.predictor import open_export


def demo(
    model: options.Model = options.EXPORT,
    evaluation: Annotated[
        Path, typer.Option(help="Where the worst rows are listed; their inputs are in data/raw.")
    ] = Path("data/evaluation"),
    num_examples: Annotated[int, typer.Option("--examples", min=0, help="Rows to offer.")] = 8,
    port: options.Port = server.PORT,
    host: options.Host = options.LOOPBACK,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    trust_code: options.TrustCode = False,
) -> None:
    """Open a page to try the exported model on: its task's form, and what it predicts."""
    threads = cores.num_usable()
    with nullcontext() if trust_code or needs_torch(model) else without_torch():
        predictor = open_export(model, "auto", num_threads=threads, trust_code=trust_code)
    lock_note.print_if_other(model)
    rows = examples.load(model, evaluation, predictor.settings.task, num_examples)
    page = server.Demo(predictor, server.title(model), rows)
    with server.bind(page, host, port) as listening, suppress(KeyboardInterrupt):
        address = f"http://{host}:{listening.server_address[1]}"
        print(f"{model}: {address} (Ctrl-C ends it)", flush=True)
        if browser and has_desktop():
            webbrowser.open(address)
        listening.serve_forever()


def has_desktop() -> bool:
    """Say whether a browser would have a window: one of the terminal would take the terminal."""
    names = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform == "darwin" or any(os.environ.get(name) for name in names)
