"""A container's folder → the server of its model; a copy of this file is the container's app.py.

`python app.py`, with `HOST=0.0.0.0` for every network the machine is on
"""

import os
from pathlib import Path

from temper.prediction.batches import BATCH_TOKENS
from temper.prediction.predictor import GRAPHS, open_export
from temper.serving import service

MODEL = Path(__file__).parent / "model"


def main() -> None:
    engine = next(name for name, file in GRAPHS.items() if (MODEL / "onnx" / file).exists())
    predictor = open_export(
        MODEL,
        engine,
        batch_tokens=BATCH_TOKENS,
        num_threads=service.num_threads(),
        trust_code=False,
    )
    served = service.Service(predictor)
    host, port = os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", service.PORT))
    with service.bind(served, host, port) as listening:
        print(f"http://{host}:{listening.server_address[1]}/invocations", flush=True)
        service.serve(served, listening)


if __name__ == "__main__":
    main()
