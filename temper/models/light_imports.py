"""transformers and torch without what one process on a CPU has no use for.

transformers' models import torch's compiler and distributed tensors, scipy's optimizers, peft and
AWS's client, and transformers reads each of its source files twice to list what is in them;
scikit-learn imports scipy's statistics. That is half of the time that a stage takes to import them
(benchmarks/README.md).
"""

import functools
import os
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from temper.core import startup
from temper.params.schema import Params

ONE_PROCESS = {"WORLD_SIZE": "1", "ACCELERATE_DYNAMO_BACKEND": "NO"}
GPUS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg", "/dev/nvmap")  # the last two: WSL2, Jetson


def leave_out(parameters: Params) -> None:
    """Import transformers and torch lightly from now on; call it before anything imports them.

    `startup.end_imports` is to follow once they are there.

    Custom code may use all of them, and a GPU's steps are compiled, so there only the reading is
    saved.
    """
    startup.begin_imports()
    list_models_once()
    if parameters.code or not is_one_cpu_process():
        return
    if not parameters.train.compile:
        leave_out_compiler()
    leave_out_optional()
    if parameters.model.lora is None:
        modules: dict[str, Any] = sys.modules
        modules.setdefault("peft", None)  # as if it were not installed


def leave_out_of_predicting(*, has_code: bool) -> None:
    """Import transformers and torch lightly in a process that only predicts with exports."""
    list_models_once()
    if not has_code and is_one_cpu_process():
        leave_out_compiler()
        leave_out_optional()


def is_one_cpu_process() -> bool:
    """Check that there is no accelerator, and that no other process takes part."""
    is_alone = all(os.environ.get(k, v) == v for k, v in ONE_PROCESS.items())
    return is_alone and find_spec("torch_xla") is None and not any(map(os.path.exists, GPUS))


def list_models_once() -> None:
    """Make transformers read the files of its models once per process, not twice."""

    def change(module: ModuleType) -> None:
        name = "create_import_structure_from_path"
        setattr(module, name, functools.cache(getattr(module, name)))

    startup.after_import("transformers.utils.import_utils", change)


def leave_out_compiler() -> None:
    """Load torch's compiler and process groups only when something is compiled.

    torch's optimizers and transformers mark functions that shall not be, and ask what is.
    """
    parts = {"disable": _disable, "allow_in_graph": _same, "assume_constant_result": _same}
    parts |= {"graph_break": lambda *_, **__: None, "eval_frame": _EvalFrame()}
    startup.load_in_parts("torch._dynamo", parts)
    startup.before_import("torch._inductor", lambda _: _load_all_of("torch._dynamo"))  # and back
    startup.after_import("torch.distributed", _without_process_groups)
    startup.load_in_parts("torch.distributed.tensor", {"DTensor": _none("DTensor")})


def leave_out_optional() -> None:
    """Load of scipy what models use; its statistics and AWS's client when they are called.

    scikit-learn takes three functions from the statistics. scipy asks numpy for all its names, one
    of which is a compiler.
    """
    startup.load_in_parts("scipy.optimize", {"linear_sum_assignment": "scipy.optimize._lsap"})
    names = ("gmean", "rankdata", "spearmanr")
    startup.load_in_parts("scipy.stats", {name: _later("scipy.stats", name) for name in names})
    startup.load_in_parts("numpy.f2py", {})
    startup.load_in_parts("boto3", {})


def _later(package: str, name: str) -> Callable[..., Any]:
    """Return a function of a package in parts, which loads all of it when it is called."""

    def call(*arguments: Any, **options: Any) -> Any:
        return getattr(_load_all_of(package), name)(*arguments, **options)

    return call


def _load_all_of(package: str) -> ModuleType:
    """Load a package in parts."""
    module = import_module(package)
    getattr(module, "__all__", None)  # anything but the parts
    return module


def _none(name: str) -> type:
    """Return a class that nothing is an instance of."""
    return type(name, (), {})


class _EvalFrame:
    """torch._dynamo.eval_frame, of which accelerate asks whether a module is compiled."""

    OptimizedModule = _none("OptimizedModule")

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module("torch._dynamo.eval_frame"), name)


def _disable(function: Any = None, *_: Any, **__: Any) -> Any:
    return _same if function is None else function


def _without_process_groups(module: Any) -> None:
    module.is_available = lambda: False  # as in a torch that was built without them


def _same(function: Any) -> Any:
    return function
