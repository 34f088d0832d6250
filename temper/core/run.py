"""A stage → the same stage with the variables that libraries read when they are imported.

`python -m temper.core.run -m stages.tokenize data/raw …`. Without it a stage starts again by
itself, but with all its modules imported, which takes three times as long.
"""

import contextlib
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from temper.core import determinism, yaml_file


def main(*arguments: str) -> None:
    """Replace this process by Python with some arguments and the variables of params.yaml.

    Where the file is wrong they stay as they are, and the stage says what is wrong.
    """
    determinism.end_with_parent()
    environment = dict(os.environ)
    with contextlib.suppress(ValueError, LookupError, TypeError, AttributeError):
        settings: Any = SimpleNamespace(**yaml_file.load(Path("params.yaml"))["determinism"])
        if type(settings.num_threads) is int:
            is_offline = "stages.download" not in arguments
            environment = determinism.environment_for(settings, offline=is_offline)
    os.execve(sys.executable, [sys.executable, *arguments], environment)


if __name__ == "__main__":
    main(*sys.argv[1:])
