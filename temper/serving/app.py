"""A container's folder → the server of its model; a copy of this file is the container's app.py.

`python app.py`, with `HOST=0.0.0.0` for every network the machine is on
"""

import os
from pathlib import Path

from temper.core.errors import InputError, exit_on_input_error
from temper.prediction.batches import BATCH_TOKENS
from temper.prediction.predictor import GRAPHS, open_export
from temper.serving import service

MODEL = Path(__file__).parent / "model"


def main() -> None:
    host, port = os.environ.get("HOST", "127.0.0.1"), os.environ.get("PORT", str(service.PORT))
    if not port.isdecimal():
        raise InputError(f"PORT={port}: expected a number; 0 is any free port")
    graphs = [name for name, file in GRAPHS.items() if (MODEL / "onnx" / file).exists()]
    predictor = open_export(
        MODEL,
        graphs[0] if graphs else "onnx",
        batch_tokens=BATCH_TOKENS,
        num_threads=service.num_threads(),
        trust_code=False,
        watches=True,
    )
    served = service.Service(predictor)
    with service.bind(served, host, int(port)) as listening:
        print(f"http://{host}:{listening.server_address[1]}/invocations", flush=True)
        service.serve(served, listening)


if __name__ == "__main__":
    with exit_on_input_error():
        main()
