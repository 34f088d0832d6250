"""Checks of the launch file: what accelerate would refuse, and a batch that does not divide."""

from pathlib import Path
from typing import Any

from temper import params
from temper.check.findings import Findings
from temper.core import yaml_file
from temper.core.errors import InputError, alternatives
from temper.training import distributed, launcher

LAUNCH = Path("launch")
COUNTS = {"num_processes": 1, "num_machines": 1, "machine_rank": 0, "main_process_port": 0}  # least


def check(parameters: params.Params, findings: Findings) -> None:
    """Report a missing or wrong launch file, and processes that do not divide the batch."""
    names = sorted(path.stem for path in LAUNCH.glob("*.yaml"))
    name = parameters.train.launch
    file = LAUNCH / f"{name}.yaml"
    if name not in names:
        findings.add("train.launch", f"no {file}{alternatives(name, names)}")
        return
    try:
        tree = yaml_file.compose(file)
        settings = yaml_file.values(tree, str(file))
    except InputError as error:
        findings.mistakes.append(str(error))
        return
    wrong = {key: text for key in (*COUNTS, *settings) if (text := wrong_value(settings, key))}
    for key, text in wrong.items():
        findings.mistakes.append(f"{file}:{yaml_file.line_of(tree, (key,))}: {key} {text}")
    if settings == launcher.ONE_PROCESS:
        check_batch_size(parameters, 1, findings)
    elif not wrong and (mistake := launcher.fsdp_mistake(settings)) is not None:
        line = yaml_file.line_of(tree, ("fsdp_config", mistake.partition(".")[2].partition(" ")[0]))
        findings.mistakes.append(f"{file}:{line}: {mistake}")
    elif not wrong and (reason := refused_by_accelerate(file, settings)) is not None:
        findings.mistakes.append(f"{file}: {reason}")
    elif not wrong:
        check_batch_size(parameters, settings["num_processes"], findings)
        if settings["distributed_type"] == "FSDP":
            for key, message in distributed.sharding_conflicts(parameters.train).items():
                findings.add(key, f"{message}; or {distributed.USE_DDP}")


def wrong_value(settings: dict[str, Any], key: str) -> str | None:
    """Return what is wrong with a value that accelerate takes unseen; None if nothing is."""
    least = COUNTS.get(key, 0)
    value = settings.get(key, None if key == "num_processes" else least)
    if key in COUNTS and (isinstance(value, bool) or not isinstance(value, int) or value < least):
        return f"must be {least} or more; found {value!r}"
    if key == "use_cpu" and not isinstance(value, bool):
        return f"must be true or false; found {value!r}"
    if key.endswith("_config") and not isinstance(value, dict):
        return f"must have keys of its own; found {value!r}"
    if key == "gpu_ids" and not isinstance(value, str):
        return f"must be 'all' or text such as '0,1'; found {value!r}"
    if key == "compute_environment" and value != "LOCAL_MACHINE":
        return f"must be LOCAL_MACHINE; found {value!r}"
    if key == "mixed_precision" and value != "no":
        return f"must be 'no', as train.precision of params.yaml decides; found {value!r}"
    if key == "distributed_type" and value in ("XLA", "MULTI_CPU"):
        return f"must not be {value}: see launch/tpu.yaml and launch/cpu_2.yaml"
    return None


def refused_by_accelerate(file: Path, settings: dict[str, Any]) -> str | None:
    """Return why accelerate would not start the processes of a launch file, or fewer of them."""
    from accelerate import DistributedType
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser

    kind = settings.get("distributed_type")
    if kind not in [member.value for member in DistributedType]:
        return f"distributed_type is {kind!r}; there are NO, MULTI_GPU, FSDP and others"
    arguments = ["--config_file", str(file), "--num_cpu_threads_per_process", "1"]
    try:
        _validate_launch_command(launch_command_parser().parse_args([*arguments, "-m", "train"]))
    except (AttributeError, ValueError, TypeError, KeyError) as error:
        return f"accelerate refuses it: {' '.join(str(error).split())}"
    if kind == "NO" and max(settings["num_processes"], settings.get("num_machines", 1)) > 1:
        return "distributed_type 'NO' is for one process; for more it is MULTI_GPU or FSDP"
    return None


def check_batch_size(parameters: params.Params, num_processes: int, findings: Findings) -> None:
    """Report a batch that the processes cannot share."""
    p, plural = parameters.train, "es" * (num_processes > 1)
    with findings.at("train.launch"):
        distributed.check_in_batch_loss(parameters, num_processes)
    with findings.at(f"train.{p.batch_key}"):
        shares = f"{num_processes} process{plural} x {p.per_device_batch(num_processes)}"
        findings.facts["launch"] = f"{p.launch}: {shares} {p.batch_unit}"
