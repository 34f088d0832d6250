"""A launch file → the processes that train, started by accelerate; they end with this one.

`python -m temper.training.launcher -m stages.train data/tokenized data/base data/model
data/checkpoints data/history` with the file that `train.launch` of params.yaml names. Another file
may precede `-m`, and options of `accelerate launch` after it. It is `accelerate launch` without
tracebacks of its own: a training has said why it failed or stopped. One process on one device needs
nothing of accelerate, which takes seconds to import.
"""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from temper import params
from temper.core import cores, determinism, errors, yaml_file
from temper.core.errors import InputError

ONE_PROCESS = {
    "compute_environment": "LOCAL_MACHINE",
    "distributed_type": "NO",
    "num_machines": 1,
    "num_processes": 1,
    "machine_rank": 0,
}
ONE_PROCESS_VARIABLES = {  # as accelerate sets them
    "ACCELERATE_USE_CPU": "False",
    "ACCELERATE_MIXED_PRECISION": "no",
    "ACCELERATE_DYNAMO_BACKEND": "NO",
    "ACCELERATE_DYNAMO_MODE": "default",
    "ACCELERATE_DYNAMO_USE_FULLGRAPH": "False",
    "ACCELERATE_DYNAMO_USE_DYNAMIC": "False",
    "ACCELERATE_DYNAMO_USE_REGIONAL_COMPILATION": "False",
}
SHUTDOWN_TIMEOUT_S = 300  # torchrun's 30 are too few for the checkpoint of a large model


def launch(file: str, arguments: Sequence[str], variables: Mapping[str, str] = os.environ) -> int:
    """Run the processes of a launch file; return the status of the first that failed, or 0.

    Args:
        file: the launch file.
        arguments: of Python.
        variables: of one process, which need not start again to change them.

    Raises:
        InputError: accelerate refuses the file.
    """
    if arguments[0] == "-m" and yaml_file.load(Path(file)) == ONE_PROCESS:
        leave_interrupts()
        command, environment = one_process(arguments, variables)
        return subprocess.Popen(command, env=environment).wait()
    return launch_with_accelerate(file, arguments)


def one_process(
    arguments: Sequence[str], variables: Mapping[str, str] = os.environ
) -> tuple[list[str], dict[str, str]]:
    """Return the command and environment that accelerate would start for one process."""
    num_threads = variables.get("OMP_NUM_THREADS", "1")
    added = ONE_PROCESS_VARIABLES | {"OMP_NUM_THREADS": num_threads}
    return [sys.executable, *arguments], dict(variables) | added


def launch_with_accelerate(file: str, arguments: Sequence[str]) -> int:
    """Run the processes as `accelerate launch` does; see `launch`."""
    from accelerate.commands.launch import launch_command, launch_command_parser
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    logging.disable(logging.ERROR)  # torchrun's account of failures and signals
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", str(SHUTDOWN_TIMEOUT_S))
    parser = launch_command_parser()
    leave_interrupts()
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


def leave_interrupts() -> None:
    """Leave Ctrl-C to the training, unless it is ignored; torchrun replaces this."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, leave_to_training)


def leave_to_training(*_: object) -> None:
    """Ignore Ctrl-C once a training runs, which gets it too and writes a checkpoint."""
    if not psutil.Process().children():
        raise KeyboardInterrupt


def main(*arguments: str) -> None:
    determinism.end_with_parent()
    variables: Mapping[str, str] = os.environ
    if arguments[0] == "-m":  # read here, so that its name passes through no shell
        parameters = params.load()
        variables = determinism.environment_for(parameters.determinism, offline=True)
        arguments = (f"launch/{parameters.train.launch}.yaml", *arguments)
        if (line := cores.excess_threads(parameters.determinism.num_threads)) is not None:
            print(line, file=sys.stderr)
    status = launch(arguments[0], arguments[1:], variables)
    if status < 0:
        name = signal.Signals(-status).name
        hint = ", as when memory runs out" if name == "SIGKILL" else ""
        raise InputError(f"a training process was ended by {name}{hint}")
    sys.exit(status)


if __name__ == "__main__":
    with errors.exit_on_input_error():
        main(*sys.argv[1:])
