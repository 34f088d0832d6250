"""Make results depend only on parameters, data, code and versions; block network access."""

import contextlib
import ctypes
import os
import platform
import random
import re
import signal
import socket
import sys
from typing import Any, Protocol
from urllib.parse import urlsplit

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
PR_SET_PDEATHSIG = 1  # linux/prctl.h
# Threads that wait for work spin so often before they sleep. libgomp's own 300,000 are milliseconds
# in which nothing else gets the core (benchmarks/README.md#a-busy-machine).
SPIN_COUNT = "10000"
PORTABLE_VARIABLES = {
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_CBWR": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    "ARROW_USER_SIMD_LEVEL": "AVX2",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",  # numpy has no "at most AVX2"
}
# ONNX Runtime and oneDNN pick their kernels by them.
CPU_FLAGS = r"avx2|fma|avx512f|avx512bw|avx512_bf16|\w*_vnni|amx_int8|amx_bf16"


class Settings(Protocol):
    """The `determinism` group of params.yaml."""

    num_threads: int
    portable: bool
    deterministic: bool


def prepare(params: Settings, *, offline: bool = True) -> None:
    """Pin threads, instruction set and hash seed; block the network unless the stage downloads.

    numpy and torch pick their kernels when they are imported. If a variable has to change, the
    process therefore re-executes its own command; call this first under
    `if __name__ == "__main__"`. `temper/core/run.py` sets them before a stage imports anything.
    """
    end_with_parent()
    environment = environment_for(params, offline=offline)
    if environment != os.environ:
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
    if offline:
        refuse_network()


def environment_for(params: Settings, *, offline: bool) -> dict[str, str]:
    """Return the environment of a process that `prepare` leaves as it is."""
    required = dict.fromkeys(THREAD_VARIABLES, str(params.num_threads))
    required |= {"PYTHONHASHSEED": "0", "TOKENIZERS_PARALLELISM": "true"}
    required |= PORTABLE_VARIABLES if params.portable else {}
    is_chosen = "GOMP_SPINCOUNT" in os.environ or "OMP_WAIT_POLICY" in os.environ
    required |= {} if is_chosen else {"GOMP_SPINCOUNT": SPIN_COUNT}
    required |= {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"} if params.deterministic else {}
    required |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"} if offline else {}
    conflicting = {"OMP_DYNAMIC", "OMP_THREAD_LIMIT"}
    if params.portable:  # numpy refuses to be imported where both are set
        conflicting |= {"NPY_ENABLE_CPU_FEATURES"}
    return {k: v for k, v in os.environ.items() if k not in conflicting} | required


def configure(params: Settings, seed: int) -> None:
    """Set thread counts, deterministic kernels and every random seed.

    OpenBLAS caps `OPENBLAS_NUM_THREADS` at the number of cores, but accepts more through its API,
    which makes the thread count the same on every machine.
    """
    import numpy as np
    import scipy.linalg  # noqa: F401  (loads the BLAS of scikit-learn)
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(params.num_threads)
    threadpool_limits(params.num_threads, user_api="blas")
    if params.deterministic:
        # on a GPU attention takes deterministic kernels only where others are errors
        mode = "error" if torch.cuda.is_available() else "warn"
        torch.set_deterministic_debug_mode(mode)  # the other function imports the compiler
        # nothing reads it, and filling it is 12 % of a small model's step on a GPU
        memory: Any = torch.utils.deterministic
        memory.fill_uninitialized_memory = False
        torch.backends.cudnn.benchmark = False
    random.seed(seed)  # as transformers.set_seed, which imports peft
    np.random.seed(seed)
    torch.manual_seed(seed)


def end_with_parent() -> None:
    """Ask the kernel for SIGTERM when the parent dies, so that no worker outlives its launcher.

    Launched workers have a session of their own, so killing the launcher's process group does not
    reach them.
    """
    set_parent_death_signal()
    if sys.platform == "linux":
        was_started = "WORLD_SIZE" in os.environ or "DVC_STAGE" in os.environ
        if was_started and os.getppid() == 1 and not _launched_by_init():
            sys.exit(128 + signal.SIGTERM)  # the launcher, or DVC, died before the call


def set_parent_death_signal() -> None:
    """Ask the kernel for SIGTERM when the parent dies; only Linux has this."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _launched_by_init() -> bool:
    """Check whether process 1 is the launcher, as in a container that runs nothing else."""
    with open("/proc/1/cmdline", "rb") as file:
        return re.search(rb"launcher|accelerate|torchrun|dvc", file.read()) is not None


def environment() -> dict[str, str]:
    """Describe everything beyond parameters, data and code that can change a result's bytes."""
    from importlib.metadata import PackageNotFoundError, requires, version

    names = {re.split(r"[^\w.-]", line)[0] for line in requires("temper") or () if ";" not in line}
    record = {"version.python": platform.python_version(), "machine": platform.machine()}
    for name in sorted(names | {"numpy", "pyarrow", "safetensors", "scipy", "tokenizers"}):
        with contextlib.suppress(PackageNotFoundError):
            record[f"version.{name}"] = version(name)
    record |= _cpu()
    for variable in (*THREAD_VARIABLES, *PORTABLE_VARIABLES, "CUBLAS_WORKSPACE_CONFIG"):
        record[variable] = os.environ.get(variable, "")
    record |= _dispatched()
    if "torch" in sys.modules:
        record |= torch_environment()
    return record


def _dispatched() -> dict[str, str]:
    """Describe the kernels that numpy, BLAS and ONNX Runtime have picked, where they are loaded."""
    record = {}
    if "numpy" in sys.modules:
        import numpy

        found: Any = numpy.show_config(mode="dicts")
        record["numpy.cpu_features"] = " ".join(found["SIMD Extensions"].get("found", ()))
    if "threadpoolctl" in sys.modules:
        from threadpoolctl import threadpool_info

        pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
        kernels = {f"{pool['internal_api']} {pool.get('architecture')}" for pool in pools}
        record["blas"] = ", ".join(sorted(kernels))
    return record


def torch_environment() -> dict[str, str]:
    """Describe the threads, kernels and devices that torch uses."""
    import torch

    record = {
        "torch.num_threads": str(torch.get_num_threads()),
        "torch.cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "torch.deterministic_algorithms": str(torch.are_deterministic_algorithms_enabled()).lower(),
    }
    if torch.cuda.is_available():
        record["gpu"] = torch.cuda.get_device_name()
        record["cuda"] = f"{torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    return record


def _cpu() -> dict[str, str]:
    """Describe the CPU, and the C library, whose mathematical functions it picks the kernels of."""
    return {
        "libc": " ".join(platform.libc_ver()),
        "cpu": _cpuinfo().get("model name", platform.processor()),
        "cpu_flags": " ".join(sorted(f for f in cpu_flags() if re.fullmatch(CPU_FLAGS, f))),
    }


def cpu_flags() -> set[str]:
    """Return what the CPU can do, in Linux's words such as `avx512_bf16`; empty where unknown."""
    return set(_cpuinfo().get("flags", "").split())


def _cpuinfo() -> dict[str, str]:
    """Return the model name and flags of an x86 CPU; {} where the system does not tell."""
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as file:
        return dict(re.findall(r"(?m)^(model name|flags)\s*: (.*)", file.read()))
    return {}


def refuse_network() -> None:
    """Restrict this process to loopback and the tracking server.

    A connection anywhere else raises PermissionError.
    """
    tracking = urlsplit(os.environ.get("MLFLOW_TRACKING_URI", "")).hostname
    allowed = {"localhost", "::1", "0.0.0.0", tracking}
    if tracking is not None:
        with contextlib.suppress(OSError):  # an unreachable tracking server never stops a run
            allowed |= {str(info[4][0]) for info in socket.getaddrinfo(tracking, None)}

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect" and isinstance(arguments[1], tuple):
            host = arguments[1][0]
        elif event == "socket.getaddrinfo":
            host = arguments[0]
        else:
            return
        host = host.decode() if isinstance(host, bytes) else host
        if host is None or host in allowed or str(host).startswith("127."):
            return
        raise PermissionError(
            f"network access is blocked outside the download stages; asked for {host}"
        )

    sys.addaudithook(hook)
