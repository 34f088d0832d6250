"""The schema of params.yaml → params.schema.json, for editors.

`python -m temper.params params.schema.json`
"""

import sys
from pathlib import Path

from temper.core import artifacts
from temper.params.schema import Params

if __name__ == "__main__":
    artifacts.write_json(Path(sys.argv[1]), Params.model_json_schema())
