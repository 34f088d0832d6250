"""A command of its own bytes: started again where threads or instruction set are not the pinned."""

import os
import sys
from typing import Any

from temper.core import determinism
from temper.params.schema import Params

NOT_A_COMMAND: Any = None  # the context where Python code calls a command


def pin(parameters: Params, context: Any) -> None:
    """Compute as the stages do, so that the same inputs give the same bytes on every CPU.

    Args:
        context: of the command; without one, Python code calls it, and its process stays.
    """
    settings = parameters.determinism
    environment = determinism.environment_for(settings, offline=True)
    if context is not None and environment != os.environ:
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
    determinism.configure(settings, parameters.seed)
