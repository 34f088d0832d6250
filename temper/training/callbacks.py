"""The end of a step → whether to evaluate, save and stop, in either engine."""

from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from temper.training import distributed
from temper.training.session import TrainingSession


class FlowControlCallback(TrainerCallback):
    """Decides when to evaluate, save and stop, from the step and the history alone.

    It runs after custom callbacks, which may end the training. That is recorded in the history and
    saved, so a run that is killed afterwards also ends there when it resumes. Step 0, which was
    scored before there were callbacks, is passed to them by `log`.
    """

    def __init__(self, session: TrainingSession, log: Callable[[dict[str, float]], None]):
        self.session, self.log, self.preempted = session, log, False

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        untrained = self.session.history.untrained
        if untrained is not None and state.global_step == 0:
            metrics = {k: v for k, v in untrained.items() if k not in ("step", "epoch")}
            self.log({f"eval_{name}": value for name, value in metrics.items()})

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        # on a resume the Trainer would begin with the order of epoch 0
        self.session.sampler.set_epoch(int(state.epoch or 0))

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        session, params = self.session, self.session.params
        if session.ema is not None:
            session.ema.update_parameters(session.model)
        self._note_stop(state, control)
        is_last = state.global_step >= state.max_steps or session.history.stopped_by_callback
        evaluates = self._is_due(params.evaluate_every, state) or is_last
        control.should_evaluate = session.validator is not None and evaluates
        control.should_save = self._is_due(params.save_every, state) or is_last
        if distributed.any_rank(bool(session.stop_signal), args.device):
            self.preempted = True
            control.should_save = control.should_training_stop = True
        if self._is_due("epoch", state) and params.keep_checkpoints == "all":
            session.save_weights(f"epoch-{state.global_step // session.steps_per_epoch}")

    def _is_due(self, interval: str | int, state: TrainerState) -> bool:
        steps = self.session.steps_per_epoch if interval == "epoch" else int(interval)
        return state.global_step % steps == 0

    def _note_stop(self, state: TrainerState, control: TrainerControl) -> None:
        """Record that a custom callback asked to stop before the last step."""
        asked = control.should_training_stop and not self.preempted
        if asked and not self.session.is_finished(state.global_step):
            self.session.history.stopped_by_callback = control.should_save = True

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._note_stop(state, control)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        state.log_history.clear()  # the Trainer would write all of it into every checkpoint
        if logs and "grad_norm" in logs:
            metrics = {k: float(logs[k]) for k in ("loss", "learning_rate", "grad_norm")}
            self.session.record_step(state, metrics)

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._note_stop(state, control)
        if self.session.history.has_stopped():
            control.should_save = control.should_training_stop = True
