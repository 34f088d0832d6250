"""A training session from its newest checkpoint to its last step, with an engine's step loop."""

import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm
from transformers.trainer_utils import set_seed

from temper.core.errors import InputError, first_line
from temper.training import averaging, checkpoint, distributed, memory
from temper.training.rehearsal import rehearse
from temper.training.session import TrainingSession

TrainLoop = Callable[[Path | None], object]  # of the checkpoint to resume from


def fit(session: TrainingSession, train: TrainLoop) -> None:
    """Train to the end, from the newest complete checkpoint if there is one.

    Raises:
        SystemExit: 143 after SIGTERM, 130 after Ctrl-C, once a checkpoint is written.
        InputError: the disk is too small for the checkpoints, or `determinism.deterministic` is on
            and the network has an operation without a deterministic kernel.
        OutOfMemory: a batch does not fit.
    """
    try:
        with _noting_signals(session):
            _start_or_resume(session, train)
            terminated = distributed.any_rank(bool(session.stop_signal), session.args.device)
            session.checkpoints.wait()
    except Exception as error:
        if "does not have a deterministic implementation" in str(error):
            raise InputError(
                f"determinism.deterministic: {first_line(error):.300}; set it to false, "
                "and the bytes may differ from run to run"
            ) from None
        if isinstance(error, memory.OutOfMemory) or not memory.is_out_of_memory(error):
            raise
        on_all_ranks = distributed.world_size() == 1  # the others wait
        raise memory.OutOfMemory(str(error), on_all_ranks=on_all_ranks) from None
    finally:
        session.checkpoints.settle()
    if terminated:
        number = session.stop_signal or signal.SIGTERM  # another rank's
        cause = "interrupted" if number == signal.SIGINT else "stopped by SIGTERM"
        if distributed.is_first_here():
            step = session.history.train[-1]["step"]
            line = f"{cause} at step {step}; rerun the same command to resume"
            tqdm.write(line, file=sys.stderr)  # not into a progress bar
        sys.exit(128 + number)


@contextmanager
def _noting_signals(session: TrainingSession) -> Iterator[None]:
    """Note SIGTERM and Ctrl-C in the session, which ends after its step; a second ends at once."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def note(number: int, _: object) -> None:
        session.stop_signal = number
        signal.signal(signal.SIGINT, signal.default_int_handler)

    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # a sweep's worker ends its trainings itself
            signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _start_or_resume(session: TrainingSession, train: TrainLoop) -> None:
    if session.sampler.in_tokens:  # counted before the random states of the first step are set
        _ = session.rows.mean_num_labels
    newest = _newest_usable(session)
    if newest is None:
        session.checkpoints.check_disk()
        if not distributed.is_sharded():  # one process cannot hold what all of them will
            rehearse(session)
        set_seed(session.seed)
    else:
        averaging.load_ema(session.ema, newest)
        if distributed.is_first_here():
            print(f"resuming from step {checkpoint.step_of(newest)}", file=sys.stderr)
        if session.is_finished(checkpoint.step_of(newest)):
            return
    train(newest)


def _newest_usable(session: TrainingSession) -> Path | None:
    """Return the checkpoint to resume from, its history loaded; None: train from the start.

    It is the newest complete one. Where weights that its history refers to are damaged or missing,
    it is the newest from before they were written, and the main process deletes those after it.
    """
    folder, history = session.folder, session.history
    newest = checkpoint.newest_complete(folder)
    history.load(newest)
    if newest is None:
        return None
    is_finished = session.is_finished(checkpoint.step_of(newest))
    needed = history.needed_weights(folder, session.steps_per_epoch, is_finished=is_finished)
    damaged = {path: at for path, at in needed.items() if not checkpoint.is_complete(path)}
    if not damaged:
        return newest
    first = min(damaged.values())
    newest = checkpoint.newest_complete(folder, before=first)
    history.load(newest)
    names = ", ".join(path.name for path in damaged)
    start = "the start" if newest is None else newest.name
    print(
        f"{names} in {folder}: missing, or not what was written; training again from {start}",
        file=sys.stderr,
    )
    distributed.wait_for_everyone()
    if distributed.is_main_process():
        for path in checkpoint.numbered_folders(folder, "checkpoint"):
            if checkpoint.step_of(path) >= first:
                shutil.rmtree(path)
    return newest
