"""The schema of params.yaml → a JSON Schema for editors, and a page of all keys.

`python -m temper.params params.schema.json docs/parameters.md`
"""

import sys
from pathlib import Path

from temper.core import artifacts
from temper.params import reference
from temper.params.schema import Params

if __name__ == "__main__":
    json_schema, page = (Path(path) for path in sys.argv[1:])
    artifacts.write_json(json_schema, Params.model_json_schema())
    page.write_text(reference.page(), encoding="utf-8")
