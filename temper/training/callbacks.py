"""A step's end → whether to evaluate, save and stop, in either engine."""

from transformers import TrainerCallback

from temper.training.session import TrainingSession


class FlowControlCallback(TrainerCallback):
    """Decides when to evaluate, save and stop; all of it from the step and the history.

    It comes after the user's callbacks, which may end the training: that is noted and saved, so a
    run that is killed after it ends there too.
    """

    def __init__(self, session: TrainingSession):
        self.session, self.setup = session, session.setup
        self.preempted = False

    def on_train_begin(self, args, state, control, **kwargs):
        self.session.state, self.session.first_step = state, state.global_step

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.session.sampler.set_epoch(
            int(state.epoch)
        )  # a resume starts with epoch 0's order else

    def on_step_end(self, args, state, control, **kwargs):
        p, step = self.setup.params, state.global_step
        if self.session.average is not None:
            self.session.average.update_parameters(self.session.model)
        last = step >= state.max_steps or self.ended_by_callback(control)
        due = {
            every: step % self.session.steps_in(every) == 0
            for every in ("epoch", p.evaluate_every, p.save_every)
        }
        control.should_evaluate = self.setup.validation is not None and (
            due[p.evaluate_every] or last
        )
        control.should_save = due[p.save_every] or last
        if self.session.any_rank_terminated():
            self.preempted = True
            control.should_save = control.should_training_stop = True
        if due["epoch"] and p.keep_checkpoints == "all":
            self.session.keep(f"epoch-{step // self.session.steps_in('epoch')}")

    def ended_by_callback(self, control) -> bool:
        """Tell whether a callback has asked for the end before its time, and note it."""
        asked = control.should_training_stop and not self.preempted
        if asked and not self.session.is_over():
            self.session.history.ended = control.should_save = True
        return self.session.history.ended

    def on_epoch_end(self, args, state, control, **kwargs):
        self.ended_by_callback(control)

    def on_log(self, args, state, control, logs=None, **kwargs):
        state.log_history.clear()  # the history has it; Trainer would write all of it every time
        if logs and "grad_norm" in logs:
            self.session.record_step(
                {k: float(logs[k]) for k in ("loss", "learning_rate", "grad_norm")}
            )

    def on_evaluate(self, args, state, control, **kwargs):
        self.ended_by_callback(control)
        if self.session.is_stopped():
            control.should_save = control.should_training_stop = True
