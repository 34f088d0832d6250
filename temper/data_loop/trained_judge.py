"""Rows and folds → each row's probabilities by a model that was trained on the other folds.

The trainings are those of the train stage with the parameters of params.yaml, in this process.
Checkpoints are selected, and training stops early, by the validation split: its rows are not
judged. What is finished is kept in checkpoints/doubts/, where a killed command continues.
"""

import hashlib
import itertools
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from stages import tokenize, train
from temper.check.time_estimate import in_words
from temper.core import arrow, artifacts, determinism
from temper.core.scratch import scratch_folder
from temper.data_loop import source_rows
from temper.data_loop.source_rows import Rows
from temper.data_loop.vectors import BASE
from temper.inference import RowList
from temper.ingest.text_files import Note
from temper.params import user_code
from temper.params.schema import Params
from temper.params.task import TokenClassification
from temper.prediction.predictor import Predictor, open_trained
from temper.tasks.base.arrays import log_softmax
from temper.training import checkpoint, console, fingerprint, memory, precision

KEPT = Path("checkpoints/doubts")
LAUNCH = "single"  # one process
TRACKING = "TEMPER_TRACKING"
TRANSLATORS = Path("data/translators")  # of tokenize.augment
CODE = (  # beside that of the train stage
    *("stages/tokenize.py", "temper/augmentation", "temper/prediction"),
    "temper/data_loop/trained_judge.py",
)


def out_of_fold(parameters: Params, rows: Rows, fold: np.ndarray, note: Note) -> np.ndarray:
    """Return each row's probabilities by the model of the other folds, (rows, labels).

    Of tags they are those of all words, (words, labels), with NaN where `tokenize.max_length` cut a
    word off.

    Raises:
        InputError: a training refuses its parameters or data.
        SystemExit: Ctrl-C or SIGTERM, once a checkpoint is written.
    """
    parameters = for_folds(parameters, note)
    kept = KEPT / digest(parameters, rows, fold)[:16]
    count, started = int(fold.max()) + 1, time.monotonic()
    with checkpoint.locked(kept.resolve()):
        files = [kept / f"fold-{index}.npy" for index in range(count)]
        missing = [index for index, file in enumerate(files) if not file.exists()]
        for index in {*range(count)} - {*missing}:  # stopped between the result and its removal
            shutil.rmtree(kept / f"training-{index}", ignore_errors=True)
        announce(count, missing, len(fold), kept)
        for done, index in enumerate(missing):
            print(f"fold {index + 1} of {count}{left(started, done, len(missing))}", flush=True)
            folder = kept / f"training-{index}"
            judged = judge(parameters, rows, fold == index, folder)
            with artifacts.atomic_file(files[index]) as partial:
                np.save(partial, judged)
            shutil.rmtree(folder)
        of_folds = [np.load(file) for file in files]
    fold = np.repeat(fold, num_judgements(parameters, rows))
    found = np.empty((len(fold), of_folds[0].shape[1]))
    for index, values in enumerate(of_folds):
        found[fold == index] = values
    return found


def for_folds(parameters: Params, note: Note) -> Params:
    """Return the parameters of the trainings: of one process, without teachers or temperature."""
    parameters, _ = precision.resolve(parameters)
    changes: dict[str, Any] = {"launch": LAUNCH}
    if parameters.train.launch != LAUNCH:
        note(f"train.launch: {parameters.train.launch}: the judges are trained in one process")
    if parameters.train.teachers:
        changes |= {"teachers": {}, "distillation": None}
        note("train.teachers: left out, for they may have learned the labels that are judged")
    train_params = parameters.train.model_copy(update=changes)
    evaluate = parameters.evaluate.model_copy(update={"temperature": None})  # of another model
    return parameters.model_copy(update={"train": train_params, "evaluate": evaluate})


def digest(parameters: Params, rows: Rows, fold: np.ndarray) -> str:
    """Return the sha256 of everything that determines the probabilities.

    Args:
        parameters: as `for_folds` returns them.
    """
    launch = Path("launch") / f"{LAUNCH}.yaml"
    code = [file for path in map(Path, CODE) for file in (path, *path.rglob("*.py"))]
    read = [*code, *map(Path, parameters.tokenize.synonym_files.values())]
    record = [
        fingerprint.record(parameters, [BASE, TRANSLATORS], launch, 1),
        {str(path): artifacts.sha256_file(path) for path in read if path.is_file()},
        parameters.evaluate.batch_size,
        arrow.digests(rows.folder),
        fold.tolist(),
    ]
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def announce(count: int, missing: Sequence[int], num_rows: int, kept: Path) -> None:
    """Say what is about to be trained, and what it costs, in trainings of the train stage."""
    share = (count - 1) / count
    print(
        f"{count} trainings with params.yaml, each on about {share * num_rows:,.0f} of {num_rows:,}"
        f" rows: about {count * share:.3g} x the time of dvc repro train\n"
        f"(temper check --run tells how long that is). Finished ones are kept in {kept};\n"
        "an interrupted command continues there"
        + (f": {len(missing)} of {count} are left" if len(missing) < count else "")
    )


def left(started: float, done: int, count: int) -> str:
    """Return how long the trainings that are left will take; "" before the first is finished."""
    if not done:
        return ""
    return f", about {in_words((time.monotonic() - started) / done * (count - done))} left"


def judge(parameters: Params, rows: Rows, is_held_out: np.ndarray, folder: Path) -> np.ndarray:
    """Train on the rows that are not held out, and return the probabilities of those that are.

    Args:
        folder: of the working checkpoints, from which an interrupted training resumes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    determinism.configure(parameters.determinism, parameters.seed)
    with scratch_folder() as scratch:
        write_raw(rows, np.flatnonzero(~is_held_out), scratch / "raw")
        tokenized, model = scratch / "tokenized", scratch / "model"
        tokenize.tokenize(scratch / "raw", BASE / "processor", TRANSLATORS, tokenized, parameters)
        data = arrow.load(tokenized)
        best = user_code.attribute_name(parameters.train.metric_for_best_model)
        with untracked(), console.ProgressTable(best) as table:
            result = train.fine_tune(
                parameters, data, BASE, folder, table.on_metrics, table.on_start
            )
        train.write_outputs(result, BASE, (model, scratch / "checkpoints", scratch / "history"))
        del result
        memory.free_memory()
        held_out: Any = rows.splits["train"].select(np.flatnonzero(is_held_out))
        inputs = {name: held_out[name][:] for name in parameters.task.inputs}
        return probabilities(parameters, model, inputs)


def write_raw(rows: Rows, kept: np.ndarray, target: Path) -> None:
    """Write the rows of train that are kept, and validation, as data/raw has them."""
    splits = [name for name in ("train", "validation") if name in rows.splits]
    for name in splits:
        split: Any = rows.splits[name].remove_columns(source_rows.POSITION)
        sizes = arrow.row_bytes(split.data.table)
        if name == "train":
            split, sizes = split.select(kept), sizes[kept]
        batches = (split[span.start : span.stop] for span in arrow.spans(sizes))
        arrow.write_split(target, name, split.features, batches)
    arrow.write_index(target, splits)


@contextmanager
def untracked() -> Iterator[None]:
    """Record nothing in MLflow or another tracker: these trainings are means to an end."""
    before = os.environ.get(TRACKING)
    os.environ[TRACKING] = "off"
    try:
        yield
    finally:
        os.environ.pop(TRACKING)
        os.environ.update({} if before is None else {TRACKING: before})


def probabilities(parameters: Params, model: Path, inputs: dict[str, list]) -> np.ndarray:
    """Return the probabilities of rows, or of their words, by a trained model."""
    predictor = open_trained(model, parameters)
    if isinstance(parameters.task, TokenClassification):
        return of_words(predictor, inputs)
    columns = predictor.predict(inputs)
    return np.array([columns[f"score_{name}"] for name in predictor.task.label_names]).T


def of_words(predictor: Predictor, inputs: dict[str, list]) -> np.ndarray:
    """Return the probabilities of the words of all rows, (words, labels); NaN: it was cut off."""
    encoded = predictor.encode(inputs, predictor.processor, mode="predict")
    encoded.pop("full_length")
    features = RowList.of_columns(encoded)
    (words,) = inputs.values()
    starts = np.cumsum([0, *map(len, words)])
    logits = np.full((starts[-1], len(predictor.task.label_names)), np.nan)
    outputs = predictor.outputs(features, ["logits"], 0)["logits"]
    columns = (features["example_id"], features["word_ids"], outputs)
    for row, word_ids, values in zip(*columns, strict=True):
        for word, value in zip(word_ids, values, strict=False):  # those without a token come last
            if word >= 0:
                logits[starts[row] + word] = value
    transitions = getattr(predictor.task, "transitions", None)
    if transitions is None:
        return np.exp(log_softmax(logits))
    for first, end in itertools.pairwise(starts.tolist()):
        is_read = ~np.isnan(logits[first:end]).any(1)
        logits[first:end][is_read] = marginals(logits[first:end][is_read], transitions)
    return logits


def marginals(logits: np.ndarray, transitions: np.ndarray) -> np.ndarray:
    """Return each word's probabilities in a CRF, (words, labels): forward-backward.

    Args:
        logits, transitions: as of `tags.viterbi_path`.
    """
    if not len(logits):
        return logits
    between, start, end = transitions[:-2], transitions[-2], transitions[-1]
    forward, backward = [start + logits[0]], [end]
    for row in logits[1:]:
        forward.append(np.logaddexp.reduce(forward[-1][:, None] + between, axis=0) + row)
    for row in logits[:0:-1]:
        backward.append(np.logaddexp.reduce(between + row + backward[-1], axis=1))
    return np.exp(log_softmax(np.array(forward) + np.array(backward[::-1])))


def num_judgements(parameters: Params, rows: Rows) -> np.ndarray:
    """Return how many labels of each row of train are judged, (rows,): one, or one a word."""
    train_rows: Any = rows.splits["train"]
    if not isinstance(parameters.task, TokenClassification):
        return np.ones(len(train_rows), dtype=int)
    (words,) = parameters.task.inputs
    return np.array([len(row) for row in train_rows[words][:]])
