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
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from temper import params
from temper.core import cores, determinism, errors, yaml_file
from temper.core.errors import InputError
from temper.core.unedited import unedited

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
MACHINE_VARIABLES = {  # over the launch file, which stays the same for every job
    "MASTER_ADDR": "--main_process_ip",
    "MASTER_PORT": "--main_process_port",
    "NODE_RANK": "--machine_rank",
}
ELSEWHERE = "192.0.2.1"  # of no network, RFC 5737: the default route leads there
RESHARD = "fsdp_reshard_after_forward"
SHUTDOWN_TIMEOUT_S = 300  # torchrun's 30 are too few for the checkpoint of a large model


def launch(file: str, arguments: Sequence[str], variables: Mapping[str, str] = os.environ) -> int:
    """Run the processes of a launch file; return the status of the first that failed, or 0.

    Args:
        file: the launch file.
        arguments: of Python.
        variables: of one process, which need not start again to change them.

    Raises:
        InputError: accelerate refuses the file, or see `fsdp_mistake`.
    """
    settings = yaml_file.load(Path(file))
    if (mistake := fsdp_mistake(settings)) is not None:
        raise InputError(f"{file}: {mistake}")
    if arguments[0] == "-m" and settings == ONE_PROCESS:
        leave_interrupts()
        command, environment = one_process(arguments, variables)
        return subprocess.Popen(command, env=environment).wait()
    if settings.get("num_machines", 1) > 1:
        arguments = [*machine_options(), *arguments]
    return launch_with_accelerate(file, arguments)


def machine_options() -> list[str]:
    """Return the options that a cluster's environment gives for a machine."""
    given = {option: os.environ.get(name) for name, option in MACHINE_VARIABLES.items()}
    return [text for option, value in given.items() if value for text in (option, value)]


def fsdp_mistake(settings: dict[str, Any]) -> str | None:
    """Return what is wrong with the `fsdp_config` of a launch file; None if nothing is."""
    if settings.get("distributed_type") != "FSDP":
        return None
    config = settings.get("fsdp_config")
    if not isinstance(config, dict):
        return f"fsdp_config must have keys of its own; found {config!r}"
    if (version := config.get("fsdp_version")) != 2:
        return f"fsdp_config.fsdp_version must be 2; found {version!r}"
    if not isinstance(reshard := config.get(RESHARD, True), bool):
        return f"fsdp_config.{RESHARD} must be true or false; found {reshard!r}"
    if unread := sorted(config.keys() - {"fsdp_version", RESHARD}):
        return (
            f"fsdp_config.{unread[0]} has no effect: each layer is sharded by itself, and "
            "checkpoints hold whole tensors; remove it"
        )
    return None


def one_process(
    arguments: Sequence[str], variables: Mapping[str, str] = os.environ
) -> tuple[list[str], dict[str, str]]:
    """Return the command and environment that accelerate would start for one process."""
    num_threads = variables.get("OMP_NUM_THREADS", "1")
    added = ONE_PROCESS_VARIABLES | {"OMP_NUM_THREADS": num_threads}
    return [sys.executable, *arguments], dict(variables) | added


def launch_with_accelerate(file: str, arguments: Sequence[str]) -> int:
    """Run the processes as `accelerate launch` does; see `launch`."""
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # it warns of hosts that no DNS knows
    from accelerate.commands.launch import launch_command, launch_command_parser
    from torch.distributed import DistError
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    logging.disable(logging.ERROR)  # torchrun's account of failures and signals
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", str(SHUTDOWN_TIMEOUT_S))
    options = launch_command_parser().parse_args(["--config_file", file, *arguments])
    address = options.main_process_ip or yaml_file.load(Path(file)).get("main_process_ip")
    if address is not None and (interface := interface_to(str(address))) is not None:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", interface)
    leave_interrupts()
    try:
        launch_command(options)
    except subprocess.CalledProcessError as error:  # of one process
        return error.returncode
    except ChildFailedError as error:  # of several
        return error.get_first_failure()[1].exitcode
    except SignalException as error:
        return 128 + error.sigval
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{file}: {error}") from error
    except DistError as error:
        raise InputError(f"{file}: the machines do not find each other: {error}") from error
    return 0


def interface_to(host: str) -> str | None:
    """Return the network interface that leads to a host, by the routing table; None if none does.

    gloo would take the address of this machine's name, which on many machines is 127.0.1.1.
    """
    try:
        family, kind, *_, target = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.connect(target)  # sends nothing
            own = probe.getsockname()[0]
    except OSError:
        return None
    if own.startswith("127.") and not host.startswith(("127.", "localhost")):
        return interface_to(ELSEWHERE)  # this machine's own name, for itself alone
    names = psutil.net_if_addrs().items()
    return next((name for name, found in names if own in [a.address for a in found]), None)


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
    with unedited():
        status = launch(arguments[0], arguments[1:], variables)
        if status < 0:
            name = signal.Signals(-status).name
            hint = ", as when memory runs out" if name == "SIGKILL" else ""
            raise InputError(f"a training process was ended by {name}{hint}")
        if status:
            sys.exit(status)


if __name__ == "__main__":
    with errors.exit_on_input_error():
        main(*sys.argv[1:])
