"""A launch file → the processes that train, started by accelerate; they end with this one.

`python -m temper.training.launcher -m stages.train data/tokenized data/base data/model
data/checkpoints data/history` with the file that `train.launch` of params.yaml names. Another file
may precede `-m`, and options of `accelerate launch` after it. It is `accelerate launch` without
tracebacks of its own: a training has said why it failed or stopped.
"""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Sequence

import psutil

from temper import params
from temper.core import cores, determinism, errors
from temper.core.errors import InputError

SHUTDOWN_TIMEOUT_S = 300  # torchrun's 30 are too few for the checkpoint of a large model


def launch(file: str, arguments: Sequence[str]) -> int:
    """Run the processes of a launch file; return the status of the first that failed, or 0.

    Raises:
        InputError: accelerate refuses the file.
    """
    from accelerate.commands.launch import launch_command, launch_command_parser
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    logging.disable(logging.ERROR)  # torchrun's account of failures and signals
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", str(SHUTDOWN_TIMEOUT_S))
    parser = launch_command_parser()
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, leave_to_training)  # torchrun replaces it
    try:
        launch_command(parser.parse_args(["--config_file", file, *arguments]))
    except subprocess.CalledProcessError as error:  # of one process
        return error.returncode
    except ChildFailedError as error:  # of several
        return error.get_first_failure()[1].exitcode
    except SignalException as error:
        return 128 + error.sigval
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{file}: {error}") from error
    return 0


def leave_to_training(*_: object) -> None:
    """Ignore Ctrl-C once a training runs, which gets it too and writes a checkpoint."""
    if not psutil.Process().children():
        raise KeyboardInterrupt


def main(*arguments: str) -> None:
    determinism.end_with_parent()
    if arguments[0] == "-m":  # read here, so that its name passes through no shell
        parameters = params.load()
        arguments = (f"launch/{parameters.train.launch}.yaml", *arguments)
        if (line := cores.excess_threads(parameters.determinism.num_threads)) is not None:
            print(line, file=sys.stderr)
    status = launch(arguments[0], arguments[1:])
    if status < 0:
        name = signal.Signals(-status).name
        hint = ", as when memory runs out" if name == "SIGKILL" else ""
        raise InputError(f"a training process was ended by {name}{hint}")
    sys.exit(status)


if __name__ == "__main__":
    with errors.exit_on_input_error():
        main(*sys.argv[1:])
