"""Serve an exported model over HTTP, or write a container that does; not a stage of the pipeline.

`temper serve`; `temper serve --docker --output serving`
"""

import shlex
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Literal

import typer

from temper.cli import lock_note, options
from temper.cli.without_torch import without_torch
from temper.core import artifacts, cores
from temper.core.errors import InputError
from temper.prediction import packed
from temper.prediction.engines import GRAPHS_FOLDER, needs_torch
from temper.prediction.predictor import Predictor, open_export
from temper.serving import service

PACKED = Path("model", GRAPHS_FOLDER, packed.FACTS)  # in a folder for Docker


def serve(
    model: options.Model = options.EXPORT,
    docker: Annotated[
        bool, typer.Option("--docker", help="Write a folder with a Dockerfile; start nothing.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option(help="With --docker: a new folder. Default: data/serving.")
    ] = None,
    engine: Annotated[
        Literal["auto", "onnx", "int8", "torch"],
        typer.Option(help="As of temper predict; with --docker onnx (auto) or int8."),
    ] = "auto",
    port: options.Port = service.PORT,
    host: options.Host = options.LOOPBACK,
    trust_code: options.TrustCode = False,
    prompt: Annotated[
        Literal["query", "document"],
        typer.Option(help="As of temper predict; of a container docker run -e PROMPT=document."),
    ] = "query",
) -> None:
    """Serve the exported model over HTTP, or write a folder for Docker that does."""
    if docker:
        check_docker(engine, port, host, prompt, trust_code=trust_code)
    elif output is not None:
        raise InputError("--output is for --docker; it is not given")
    chosen = "onnx" if docker and engine == "auto" else engine
    uses_torch = trust_code or engine == "torch" or needs_torch(model)
    with nullcontext() if uses_torch else without_torch():
        predictor = open_export(
            *(model, chosen),
            num_threads=cores.num_usable(),
            trust_code=trust_code,
            watches=prompt == "query",
            prompt=prompt,
        )
    lock_note.print_if_other(model)
    if docker:
        write_container(output or Path("data/serving"), model, predictor, chosen, port)
        return
    served = service.Service(predictor)
    with service.bind(served, host, port) as listening:
        address = f"http://{host}:{listening.server_address[1]}/invocations"
        note = service.describe_prompt(predictor.settings.task)
        print(f"{model}: {address} (Ctrl-C ends it){note}", flush=True)
        service.serve(served, listening)


def check_docker(engine: str, port: int, host: str, prompt: str, *, trust_code: bool) -> None:
    """Refuse options that the container has no use for.

    Raises:
        InputError: names the option.
    """
    if engine == "torch":
        raise InputError("--engine torch: the container has no torch; choose onnx or int8")
    if host != options.LOOPBACK:
        raise InputError("--host is for serving here; docker run -p says who reaches a container")
    if prompt != "query":
        raise InputError("--prompt: docker run -e PROMPT=document chooses that of a container")
    if trust_code:
        raise InputError("--trust-code: the container runs no code of a model; leave it out")
    if not 0 < port < 2**16:
        raise InputError(f"--port {port}: a container's port is one of 1 to 65535, such as 8080")


def write_container(
    target: Path, model: Path, predictor: Predictor, engine: str, port: int
) -> None:
    """Write the folder for Docker, and print how to start it.

    Raises:
        InputError: the folder holds something else, or a container would answer differently.
    """
    from temper.serving import container

    check_target(target)
    name = container.image_name(target)
    with artifacts.atomic_dir(target) as folder:
        container.write(folder, name, model, predictor.settings.task.inputs, engine, port)
    show(target, name)


def check_target(target: Path) -> None:
    """Refuse to replace what `temper serve` has not written.

    Raises:
        InputError: there is a file, or a folder of something else.
    """
    marks = (target / "Dockerfile", target / "app.py", target / PACKED)
    is_ours = all(mark.is_file() for mark in marks)
    if target.exists() and not is_ours and not (target.is_dir() and not any(target.iterdir())):
        raise InputError(f"--output {target}: exists, and is no folder that temper serve wrote")


def show(target: Path, name: str) -> None:
    """Print what was written, and how to start it."""
    files = [path for path in target.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 2**20
    print(f"{target}: {len(files)} files, {size:.1f} MiB; next, as its README.md says:")
    print(f"  docker build -t {name} {shlex.quote(str(target))}")
