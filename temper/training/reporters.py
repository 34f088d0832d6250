"""`TEMPER_REPORT_TO` → transformers' reporters besides MLflow: TensorBoard, W&B and the like.

Files go to `tracking/` at the repository root, and a training that is killed and resumed is one run
there too. A reporter that raises is disabled for the rest of the run, with one warning.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations import integration_utils

from temper import tracking
from temper.core.errors import InputError, alternatives
from temper.params.schema import Params
from temper.tracking import run_tags
from temper.tracking.store import EXPERIMENT, root, warn
from temper.training import distributed

EVENTS = [name for name in vars(TrainerCallback) if name.startswith("on_")]


def names() -> list[str]:
    """Return the reporters that `TEMPER_REPORT_TO` lists, such as `tensorboard,wandb`.

    Raises:
        InputError: transformers does not know one, or its package is not installed.
    """
    listed = [n.strip() for n in os.environ.get("TEMPER_REPORT_TO", "").split(",") if n.strip()]
    known = sorted(set(integration_utils.INTEGRATION_TO_CALLBACK) - {"mlflow"})
    for name in listed:
        if name not in known:
            reason = "MLflow records every run anyway" if name == "mlflow" else "unknown"
            raise InputError(f"TEMPER_REPORT_TO: {name}: {reason}{alternatives(name, known)}")
        if name not in integration_utils.get_available_reporting_integrations():
            raise InputError(f"TEMPER_REPORT_TO: {name} is not installed: pip install {name}")
    return listed


def callbacks(parameters: Params, key: str) -> list[TrainerCallback]:
    """Return one callback that calls every reporter; [] if there is none.

    Raises:
        InputError: `TEMPER_REPORT_TO` lists an unknown or missing reporter.
    """
    listed = names()
    if not listed or not distributed.is_main_process() or tracking.is_off():
        return []
    return [ReportersCallback(listed, run_tags.run_name(parameters).replace("/", "-"), key)]


class ReportersCallback(TrainerCallback):
    """Passes the Trainer's events to reporters, and disables whichever raises.

    Attributes:
        active: reporter by name, without the disabled ones.
        wandb_run: the run of this training, which ends with it.
    """

    def __init__(self, names: Sequence[str], run_name: str, key: str):
        self.names, self.run_name, self.key = names, run_name, key
        self.active: dict[str, TrainerCallback] = {}
        self.wandb_run: Any = None
        self.log_every = tracking.log_every()
        for event in EVENTS:
            setattr(self, event, partial(self._call_event, event))

    def _call_event(
        self,
        event: str,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        if event == "on_train_begin":
            for name in self.names:
                with self._disabled_on_error(name):
                    self.active[name] = self._build(name, state.global_step)
            self._call_event("on_init_end", args, state, control, **kwargs)
        if "loss" in kwargs.get("logs", {}) and state.global_step % self.log_every:
            return
        for name, reporter in list(self.active.items()):
            with self._disabled_on_error(name):
                getattr(reporter, event)(args, state, control, **kwargs)
        if event == "on_train_end" and self.wandb_run is not None:
            with self._disabled_on_error("wandb"):
                self.wandb_run.finish()  # the next member of a model soup is another run
            self.wandb_run = None

    def _build(self, name: str, step: int) -> TrainerCallback:
        """Build transformers' reporter for a training that starts, or resumes, after `step`."""
        if name == "wandb":
            self._open_wandb_run()
        arguments = [self._tensorboard_writer(step)] if name == "tensorboard" else []
        return integration_utils.INTEGRATION_TO_CALLBACK[name](*arguments)

    @contextmanager
    def _disabled_on_error(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # whatever a reporter raises must not stop a stage
            warn(f"{name}: {error!s:.300}; it is disabled for the rest of this training")
            self.active.pop(name, None)

    def _tensorboard_writer(self, step: int) -> Any:
        """Write to the training's folder, and hide the steps after `step` of an earlier attempt."""
        from torch.utils.tensorboard import SummaryWriter

        parent = root() / "tracking" / "tensorboard"
        existing = sorted(parent.glob(f"*-{self.key}"))  # maybe of an experiment of another name
        folder = existing[0] if existing else parent / f"{self.run_name}-{self.key}"
        folder = os.environ.get("TENSORBOARD_LOGGING_DIR") or folder
        return SummaryWriter(str(folder), purge_step=step + 1)

    def _open_wandb_run(self) -> None:
        """Open the training's run unless it is open; W&B's own variables take precedence."""
        wandb = import_module("wandb")  # not a dependency
        run_id = os.environ.get("WANDB_RUN_ID", self.key)
        if wandb.run is None:
            defaults = {"project": EXPERIMENT, "name": self.run_name}
            defaults |= {"dir": str(root() / "tracking"), "mode": "offline", "resume": "allow"}
            options = {k: v for k, v in defaults.items() if f"WANDB_{k.upper()}" not in os.environ}
            (root() / "tracking").mkdir(exist_ok=True)
            self.wandb_run = wandb.init(id=run_id, **options)
        elif wandb.run.id == run_id:  # left open by an attempt that ran out of memory
            self.wandb_run = wandb.run
