"""A container's folder → the server of its model; a copy of this file is the container's app.py.

`python app.py`, with `HOST=0.0.0.0` for every network the machine is on, and `PROMPT=document` for
texts that an embeddings model should find
"""

import os
from pathlib import Path

from temper.core import cores
from temper.core.errors import InputError, exit_on_input_error
from temper.prediction.engines import GRAPHS, GRAPHS_FOLDER
from temper.prediction.predictor import open_export
from temper.serving import service

MODEL = Path(__file__).parent / "model"


def main() -> None:
    host, port = os.environ.get("HOST", "127.0.0.1"), os.environ.get("PORT", str(service.PORT))
    if not port.isdecimal():
        raise InputError(f"PORT={port}: expected a number; 0 is any free port")
    prompt = os.environ.get("PROMPT", "query")
    if prompt not in ("query", "document"):
        raise InputError(f"PROMPT={prompt}: expected query or document")
    graphs = [name for name, file in GRAPHS.items() if (MODEL / GRAPHS_FOLDER / file).exists()]
    predictor = open_export(
        MODEL,
        graphs[0] if graphs else "onnx",
        num_threads=cores.num_usable(),
        trust_code=False,
        watches=prompt == "query",
        prompt=prompt,
    )
    served = service.Service(predictor)
    with service.bind(served, host, int(port)) as listening:
        note = service.describe_prompt(predictor.settings.task)
        print(f"http://{host}:{listening.server_address[1]}/invocations{note}", flush=True)
        service.serve(served, listening)


if __name__ == "__main__":
    with exit_on_input_error():
        main()
