"""`train.precision: auto` → bf16 where this machine has units for it, else fp32 (ADR 23).

What auto chose is part of the result. The train stage resolves it before anything else, so that the
fingerprint, the tracked parameters and every module see `fp32`, `bf16` or `fp16`; data/history
records the choice, for another machine may make another.
"""

import sys
from importlib.util import find_spec
from typing import Literal

from temper.core import determinism
from temper.params.schema import Params
from temper.training import distributed

KEY = "train.precision"
CHOSEN_FILE = "chosen.json"  # in data/history: the values that auto chose, by key
PORTABLE = "determinism.portable takes AVX2 kernels, bf16 needs portable: false"
CPU_UNITS = ("amx_bf16", "avx512_bf16")  # flags of x86-64 CPUs


def resolve(parameters: Params) -> tuple[Params, dict[str, str]]:
    """Replace `train.precision: auto`; the main process says by what, or that bf16 is slow here.

    Returns:
        The parameters, and what auto chose, by key; {} where nothing is auto.
    """
    train, chosen = parameters.train, {}
    line = warning(parameters)
    if train.precision == "auto":
        value, reason = choose(parameters)
        chosen, line = {KEY: value}, f"precision: {in_words(value, reason)}"
        train = train.model_copy(update={"precision": value})
    if line and distributed.is_main_process():
        print(line, file=sys.stderr)
    return parameters.model_copy(update={"train": train}), chosen


def choose(parameters: Params) -> tuple[Literal["bf16", "fp32"], str]:
    """Return the precision that auto stands for on this machine, and why."""
    has_units, reason = bf16_units(parameters)
    return "bf16" if has_units else "fp32", reason


def in_words(value: str, reason: str) -> str:
    """Say what auto chose: why it is bf16, and of fp32 only where bf16 could be faster here."""
    if value == "bf16":
        return f"bf16 (auto: {reason})"
    hint = "; determinism.portable: false may be faster here: docs/machines.md#precision"
    return f"fp32 (auto){hint if reason == PORTABLE else ''}"


def warning(parameters: Params) -> str | None:
    """Return a line about `precision: bf16` where nothing computes in it, with the cure."""
    if parameters.train.precision != "bf16":
        return None
    has_units, reason = bf16_units(parameters)
    if has_units is not False:
        return None
    return f"{KEY}: bf16 is slower than fp32 here, on a CPU 20 times: {reason}; auto takes fp32"


def bf16_units(parameters: Params) -> tuple[bool | None, str]:
    """Return whether the device that trains has units for bf16, and what tells so.

    None: it is unknown, or bf16 was never tried there.
    """
    if find_spec("torch_xla") is not None:
        return None, "bf16 was never tried on XLA"
    if not parameters.train.launch.startswith("cpu"):  # for which the stage hides every GPU
        import torch

        if torch.cuda.is_available():
            card = torch.cuda.get_device_name()
            if torch.cuda.is_bf16_supported(including_emulation=False):
                return True, f"{card} has bf16 units"
            return False, f"{card} has no bf16 units"
    flags = determinism.cpu_flags()
    found = [unit for unit in CPU_UNITS if unit in flags]
    if not flags:
        return None, "it is unknown what this CPU has"
    if not found:
        return False, f"this CPU has neither {' nor '.join(CPU_UNITS)}"
    if parameters.determinism.portable:
        return False, PORTABLE
    return True, f"this CPU has {found[0]}"
