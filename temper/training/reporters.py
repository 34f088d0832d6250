"""`TEMPER_REPORT_TO` → transformers' other reporters, beside MLflow: TensorBoard, W&B and the like.

Files go to `tracking/` at the repository root, and a training that is killed and goes on is one run
of theirs too. A reporter that fails is one warning, never the end of a training.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from transformers import TrainerCallback
from transformers.integrations import integration_utils

from temper import params, tracking
from temper.core.errors import InputError, nearest
from temper.tracking.store import EXPERIMENT, root, warn
from temper.training import distributed

EVENTS = [name for name in vars(TrainerCallback) if name.startswith("on_")]


def names() -> list[str]:
    """Return what `TEMPER_REPORT_TO` names, `tensorboard,wandb` and the like.

    Raises:
        InputError: transformers does not know it, or its package is not installed.
    """
    found = [n.strip() for n in os.environ.get("TEMPER_REPORT_TO", "").split(",") if n.strip()]
    known = sorted(set(integration_utils.INTEGRATION_TO_CALLBACK) - {"mlflow"})
    for name in found:
        if name not in known:
            reason = "MLflow records every run anyway" if name == "mlflow" else "unknown"
            raise InputError(
                f"TEMPER_REPORT_TO: {name}: {reason}{nearest(name, known)}; "
                f"allowed: {', '.join(known)}"
            )
        if name not in integration_utils.get_available_reporting_integrations():
            raise InputError(f"TEMPER_REPORT_TO: {name} is not installed: pip install {name}")
    return found


def callbacks(parameters: params.Params, key: str) -> list[TrainerCallback]:
    """Return one callback that tells every reporter; [] where there is none.

    Args:
        parameters: name the run.
        key: of the training; one that goes on has the same.

    Raises:
        InputError: `TEMPER_REPORT_TO` names one that cannot be.
    """
    chosen = names()
    if not chosen or not distributed.is_first() or tracking.is_off():
        return []
    return [Reporters(chosen, tracking.run_name(parameters).replace("/", "-"), key)]


class Reporters(TrainerCallback):
    """Tells reporters what the training says; whichever raises hears no more of it.

    Args:
        names: as transformers calls them.
        run_name: of their runs.
        key: of the training.
    """

    opened: Any = None  # W&B's run, which an attempt that ran out of memory leaves open

    def __init__(self, names: Sequence[str], run_name: str, key: str):
        self.names, self.run_name, self.key = names, run_name, key
        self.active: dict[str, TrainerCallback] = {}
        self.log_every = tracking.log_every()
        for event in EVENTS:
            setattr(self, event, partial(self._tell, event))

    def _tell(self, event: str, args: Any, state: Any, control: Any, **more: Any) -> None:
        if event == "on_train_begin":
            self._start(state.global_step)
            self._tell("on_init_end", args, state, control, **more)
        if "loss" in more.get("logs", {}) and state.global_step % self.log_every:
            return
        for name, reporter in list(self.active.items()):
            with self._warned(name):
                getattr(reporter, event)(args, state, control, **more)
        if event == "on_train_end" and self.opened is not None:
            with self._warned("wandb"):
                self.opened.finish()  # the next member of a soup is a run of its own
            Reporters.opened = None

    def _start(self, step: int) -> None:
        """Make the reporters of a training that begins after `step`."""
        makers = {"tensorboard": self._tensorboard, "wandb": self._wandb}
        for name in self.names:
            with self._warned(name):
                make = makers.get(name, lambda _, name=name: its_callback(name))
                self.active[name] = make(step)

    @contextmanager
    def _warned(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # whatever a reporter can throw must not stop a stage
            warn(f"{name}: {error!s:.300}; it hears no more of this training")
            self.active.pop(name, None)

    def _tensorboard(self, step: int) -> TrainerCallback:
        """Write to the training's own folder, and hide the steps that are made once more."""
        from torch.utils.tensorboard import SummaryWriter

        folder = os.environ.get("TENSORBOARD_LOGGING_DIR") or self._event_folder()
        return its_callback("tensorboard", SummaryWriter(str(folder), purge_step=step + 1))

    def _event_folder(self) -> Path:
        """Return the folder of this training, whatever its experiment was called before."""
        parent = root() / "tracking" / "tensorboard"
        before = sorted(parent.glob(f"*-{self.key}"))
        return before[0] if before else parent / f"{self.run_name}-{self.key}"

    def _wandb(self, _: int) -> TrainerCallback:
        """Open the training's run, unless one is open; a variable the user has set goes first."""
        wandb = import_module("wandb")  # no dependency
        wanted = {"project": EXPERIMENT, "name": self.run_name, "dir": str(root() / "tracking")}
        wanted |= {"mode": "offline", "resume": "allow"}
        given = {k: v for k, v in wanted.items() if f"WANDB_{k.upper()}" not in os.environ}
        given |= {} if "WANDB_RUN_ID" in os.environ else {"id": self.key}
        if wandb.run is None:
            (root() / "tracking").mkdir(exist_ok=True)
            Reporters.opened = wandb.init(**given)
        return its_callback("wandb")


def its_callback(name: str, *arguments: Any) -> TrainerCallback:
    """Make transformers' callback of a reporter."""
    return integration_utils.INTEGRATION_TO_CALLBACK[name](*arguments)
