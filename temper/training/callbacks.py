"""The end of a step → whether to evaluate, save and stop, in either engine."""

from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from temper.training.session import TrainingSession


class FlowControlCallback(TrainerCallback):
    """Decides when to evaluate, save and stop, from the step and the history alone.

    It runs after custom callbacks, which may end the training. That is recorded in the history and
    saved, so a run that is killed afterwards also ends there when it resumes.
    """

    def __init__(self, session: TrainingSession):
        self.session, self.setup = session, session.setup
        self.preempted = False

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.session.state, self.session.start_step = state, state.global_step

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        # on a resume the Trainer would begin with the order of epoch 0
        self.session.sampler.set_epoch(int(state.epoch or 0))

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        session, params = self.session, self.setup.params
        if session.ema is not None:
            session.ema.update_parameters(session.model)
        is_last = state.global_step >= state.max_steps or self._stopped_by_callback(control)
        evaluates = self._is_due(params.evaluate_every) or is_last
        control.should_evaluate = self.setup.validation is not None and evaluates
        control.should_save = self._is_due(params.save_every) or is_last
        if session.any_rank_terminated():
            self.preempted = True
            control.should_save = control.should_training_stop = True
        if self._is_due("epoch") and params.keep_checkpoints == "all":
            session.save_weights(f"epoch-{state.global_step // session.steps_per_epoch}")

    def _is_due(self, interval: str | int) -> bool:
        steps = self.session.steps_per_epoch if interval == "epoch" else int(interval)
        return self.session.state.global_step % steps == 0

    def _stopped_by_callback(self, control: TrainerControl) -> bool:
        """Check whether a custom callback asked to stop before the last step, and record it."""
        asked = control.should_training_stop and not self.preempted
        if asked and not self.session.is_finished():
            self.session.history.stopped_by_callback = control.should_save = True
        return self.session.history.stopped_by_callback

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._stopped_by_callback(control)

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
            self.session.record_step(metrics)

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._stopped_by_callback(control)
        if self.session.is_stopped_early():
            control.should_save = control.should_training_stop = True
