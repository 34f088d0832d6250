"""What a training does only after an epoch, done once before its first step, without a trace.

The longest batch, the metrics of the untrained model (step 0 of the history), a saved model that is
read back, and a row beside a longer one. A resumed training does not repeat it.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np
import torch

from temper import inference
from temper.core.errors import InputError
from temper.models import loading
from temper.tasks.base import windows
from temper.training import distributed, losses, memory, networks
from temper.training.history import Row
from temper.training.session import TrainingSession

if TYPE_CHECKING:
    from datasets import Dataset

MAX_ROWS = 256  # of validation that the untrained model is scored on
MAX_TOKENS = 32_768  # of these rows together, about
SAMPLES_PER_TOKEN = 320  # of a clip: a step of wav2vec2
COMPARED_ROWS = 8
TOLERANCE = 1e-2  # of a logit: LoRA is merged where it is saved, and bf16 rounds
FOLDER = "rehearsal"

T = TypeVar("T")


def rehearse(session: TrainingSession) -> None:
    """Run the longest batch, score the untrained model and read it back, before the first step.

    Raises:
        InputError: the loss of the untrained model is not finite, a metric fails, what is saved
            cannot be read back, or padding changes outputs.
        OutOfMemory: they do not fit on some rank's device.
    """
    with _restoring(session.model):
        loss = _if_it_fits(session, partial(run_longest_batch, session))
        session.model.zero_grad()
        if not torch.isfinite(loss):
            raise InputError(f"the loss of the first batch is {float(loss)}, before any training")
        metrics = score_untrained(session)
        read_back(session)
        _if_it_fits(session, partial(check_padding, session))
    if metrics is not None:
        session.record_untrained(metrics)


def _if_it_fits(session: TrainingSession, function: Callable[[], T]) -> T:
    """Call a function that is not collective on all ranks.

    Raises:
        OutOfMemory: on all ranks, where one of them has run out of memory.
    """
    result, reason = None, ""
    try:
        result = function()
    except Exception as error:
        if not memory.is_out_of_memory(error):
            raise
        reason = str(error) or type(error).__name__
    if distributed.any_rank(bool(reason), session.args.device):
        raise memory.OutOfMemory(reason or "on another rank")
    return cast("T", result)


@contextmanager
def _restoring(network: torch.nn.Module) -> Iterator[None]:
    """Restore torch's random states, and buffers such as the means of a batch normalization."""
    before = {name: buffer.detach().clone() for name, buffer in network.named_buffers()}
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        yield
    with torch.no_grad():
        for name, buffer in network.named_buffers():  # others than before where it has moved
            if name in before:
                buffer.copy_(before[name])


def run_longest_batch(session: TrainingSession) -> torch.Tensor:
    """Return the loss of the longest rows, allocating as much memory as a step will."""
    network, device = session.model, session.args.device
    longest = session.sampler.longest_micro_batch()
    batch = {name: values.to(device) for name, values in session.rows.batch(longest).items()}
    trainable = [p for p in network.parameters() if p.requires_grad]
    moments = [torch.zeros_like(p) for p in trainable for _ in range(2)]  # as AdamW will allocate
    networks.move(network, device)
    network.train()
    with session.autocast():
        num_labels = losses.label_mask(batch["labels"]).sum().clamp(min=1)
        no_step = session.total_steps  # whose masks of dropout no step draws
        loss = session.compute_loss(network, batch, num_labels, no_step)
    loss.backward()
    del moments
    return loss.detach()


def score_untrained(session: TrainingSession) -> Row | None:
    """Return the metrics of some validation rows; None without labelled ones."""
    validator, model = session.validator, session.eval_model
    if validator is None:
        return None
    validation = validator.dataset
    # ranks depend on the size of the corpus
    is_ranked = session.task.params.metrics == "retrieval"
    max_length = MAX_TOKENS * (SAMPLES_PER_TOKEN if session.task.params.medium == "audio" else 1)
    rows = validation if is_ranked else scored_rows(validation, max_length)
    if len(rows) < len(validation):
        part = f"{len(rows):,} of {len(validation):,} validation rows"
        distributed.print_once(f"step 0: the untrained model, on {part}")
    outputs = _if_it_fits(session, partial(validator.outputs_of_share, model, rows))
    return validator.gather_and_score(model, rows, outputs)


def scored_rows(validation: "Dataset", max_length: int = MAX_TOKENS) -> "Dataset":
    """Return the rows of examples at equal distances, `MAX_ROWS` and `max_length` at most."""
    lengths = np.asarray(validation["length"][:])
    limit = min(MAX_ROWS, int(max_length // max(lengths.mean(), 1)))
    if len(lengths) <= limit:
        return validation
    ids = np.unique(windows.example_ids(validation), return_inverse=True)[1]  # all windows, or none
    num_examples = int(ids[-1]) + 1
    count = max(1, limit * num_examples // len(ids))
    chosen = np.unique(np.linspace(0, num_examples - 1, count).astype(int))
    return validation.select(np.flatnonzero(np.isin(ids, chosen)))


def check_padding(session: TrainingSession) -> None:
    """Refuse padding of texts to the longest of a batch where the model takes it for text.

    Computes in fp32, since other shapes are rounded otherwise.

    Raises:
        InputError: the shortest row of validation has other outputs beside the longest one.
    """
    task, validator = session.task, session.validator
    if validator is None or session.padded_length is None or task.params.medium is not None:
        return
    lengths = np.asarray(validator.dataset["length"][:])
    short, long = int(lengths.argmin()), int(lengths.argmax())
    if session.padded_length(int(lengths[short])) == session.padded_length(int(lengths[long])):
        return  # as with tokenize.padding: max_length
    forward = inference.torch_forward(session.model, task)
    run_batch = inference.logits_runner(forward, validator.collator, task)
    row, longer = validator.dataset[short], validator.dataset[long]
    if change := inference.change_by_padding(run_batch, row, longer, task):
        custom, ignored = session.custom_class, ""
        if custom is not None:
            ignored = "let its forward leave out what attention_mask leaves out, or "
        number = int(row.get("example_id", short)) + 1
        name = session.model.config.model_type if custom is None else _model_key(session)
        raise InputError(
            f"tokenize.padding: dynamic would make predictions depend on the batch, for {name} "
            f"reads padding as it reads text: beside a row of {lengths[long]} tokens, row {number} "
            f"of validation, of {lengths[short]} tokens, has other outputs (by {change:.2g}); "
            f"{ignored}set it to max_length"
        )


def read_back(session: TrainingSession) -> None:
    """Save the model as checkpoints do, and load it as evaluate does; the outputs are the same.

    Where memory has no room for both models, they are not compared.

    Raises:
        InputError: it cannot be saved or loaded, or is another model then.
    """
    folder, has_room = session.folder / FOLDER, True
    try:
        with _explaining(session):
            session.save_weights(FOLDER)
            session.checkpoints.wait()
        if distributed.is_main_process():
            has_room = compare_if_it_fits(session, folder)
    finally:
        if distributed.is_main_process():
            shutil.rmtree(folder, ignore_errors=True)
    if not has_room:
        memory.free_memory()
        print("no memory for a second model: what is saved was not compared with the model")


def compare_if_it_fits(session: TrainingSession, folder: Path) -> bool:
    """Return False where memory has no room for both models; see `compare`."""
    try:
        compare(session, folder)
    except Exception as error:
        if not memory.is_out_of_memory(error):
            raise
        return False
    return True


def compare(session: TrainingSession, folder: Path) -> None:
    """Load a saved model, and compare its outputs with those of the session's.

    Raises:
        InputError: it cannot be loaded, or is another model.
    """
    with _explaining(session):
        loaded = loading.load(folder, session.task.auto_model, session.custom_class)
    validator = session.validator
    if validator is None:
        return
    networks.move(loaded, session.args.device)
    rows = validator.dataset.select(range(min(COMPARED_ROWS, len(validator.dataset))))
    models = (session.eval_model, loaded)
    outputs = [validator.outputs(model, rows, 0, validator.batch_size) for model in models]
    for row, (expected, found) in enumerate(zip(*outputs, strict=True)):
        if not np.allclose(expected, found, TOLERANCE, TOLERANCE, equal_nan=True):
            difference = float(np.abs(expected - found).max())
            raise InputError(
                f"{_model_key(session)}: read back from a checkpoint, the model gives other "
                f"outputs (by {difference:.3g} in row {row} of validation): it holds something "
                "that is neither in its state_dict nor in its config"
            )


@contextmanager
def _explaining(session: TrainingSession) -> Iterator[None]:
    """Name the key of a model that cannot be saved or loaded."""
    try:
        yield
    except (InputError, OSError):
        raise
    except Exception as error:  # a custom class or a library may raise anything
        if memory.is_out_of_memory(error):
            raise
        reason = f"{type(error).__name__}: {' '.join(str(error).split()):.300}"
        message = f"{_model_key(session)}: what training saves cannot be read back: {reason}"
        raise InputError(message) from error


def _model_key(session: TrainingSession) -> str:
    return "model" if session.custom_class is None else "model.custom_class"
