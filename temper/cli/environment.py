"""The environment that a stage of this repository runs in, as JSON.

`python -m temper.cli.environment`; `temper verify` compares two of them.
"""

import json

from temper import params
from temper.core import determinism, errors

if __name__ == "__main__":
    with errors.exit_on_input_error():
        parameters = params.load()
        determinism.prepare(parameters.determinism)
        determinism.configure(parameters.determinism, parameters.seed)
        print(json.dumps(determinism.environment(), indent=2))
