"""A Space's folder → the page of its model; a copy of this file is the Space's app.py.

`python app.py`, with `HOST=0.0.0.0` for every network the machine is on
"""

import json
import os
from pathlib import Path

from temper.core import cores
from temper.demo import server
from temper.prediction.predictor import open_export

FOLDER = Path(__file__).parent


def main() -> None:
    model, threads = FOLDER / "model", cores.num_usable()
    # who starts the Space runs this file too
    predictor = open_export(model, "auto", num_threads=threads, trust_code=True)
    examples = json.loads((FOLDER / "examples.json").read_text(encoding="utf-8"))
    page = server.Demo(predictor, server.title(model), examples)
    host, port = os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", server.PORT))
    listening = server.bind(page, host, port)
    print(f"http://{host}:{listening.server_address[1]}", flush=True)
    listening.serve_forever()


if __name__ == "__main__":
    main()
