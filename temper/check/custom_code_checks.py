"""Custom functions are called on a few rows of train, so that a wrong result is found here."""

import contextlib
import io
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from temper import params
from temper.check import network_checks
from temper.check.findings import Findings
from temper.core.errors import InputError
from temper.core.scratch import scratch_folder

if TYPE_CHECKING:
    from datasets import Dataset
    from torch import Tensor
    from transformers import PretrainedConfig

    from temper.tasks.base import Task

NUM_ROWS = 16
Called = Callable[[str], AbstractContextManager[None]]  # key → see `record`


def check_on_rows(
    parameters: params.Params, config: "PretrainedConfig", processor: Any, findings: Findings
) -> None:
    """Report functions that fail on rows of train, or return the wrong kind of thing.

    Args:
        parameters: all of them; the files under `code` can be imported.
        findings: with the mistakes before; rows are read if there are none.
    """
    p = parameters
    called = partial(record, parameters=p, findings=findings)
    in_use = (p.train.loss, p.train.collator, p.tokenize.encode, p.evaluate.metrics)
    if not any(in_use) and "." not in p.train.metric_for_best_model:
        return
    if p.data.source == "files" and not findings.mistakes:
        with scratch_folder() as folder:
            if (rows := encode_rows(p, processor, folder, called)) is not None:
                check_with_rows(p, *rows, deepcopy(config), processor, called)


def check_kinds(p: params.Params, findings: Findings) -> None:
    """Report callbacks and models that are no such classes, and build an optimizer."""
    import torch

    from temper.params import user_code
    from temper.training import custom_functions

    called = partial(record, parameters=p, findings=findings)
    with called("train.callbacks"):
        custom_functions.callbacks(p)
    with called("model.custom_class"):
        found = custom_functions.model_class(p)
        is_module = isinstance(found, type) and issubclass(found, torch.nn.Module)
        if found is not None and not is_module:
            kind = user_code.kind_of(found)
            raise InputError(f"model.custom_class: must be a torch.nn.Module; found {kind}")
    with called("train.optimizer"):
        build = custom_functions.optimizer(p)
        if build is not None:
            weight = torch.nn.Parameter(torch.zeros(2))
            group = {"lr": p.train.learning_rate, "weight_decay": p.train.weight_decay}
            build([group | {"params": [weight]}], p.train)
    with called("train.lr_scheduler_type"):
        schedule = custom_functions.lr_schedule(p)
        if schedule is not None:
            for step in (0, 1, 50, 99):
                schedule(step, 100)


def encode_rows(
    parameters: params.Params, processor: Any, folder: Path, called: Called
) -> "tuple[Dataset, Dataset] | None":
    """Write data/raw and data/tokenized of a few rows of train to a folder, and read them.

    Returns:
        Raw and encoded rows; None where `tokenize.encode` is wrong.
    """
    from temper.core import arrow
    from temper.ingest import dataset, local_files, splits
    from temper.params import user_code
    from temper.tasks.base import registry
    from temper.tasks.base.encoded_columns import column_types

    p = parameters.data
    files = local_files.find_files(p.files["train"], "train", p.glob)
    whole = p.split.model_copy(update={"validation": 0.0, "test": 0.0})
    changes = {"files": {"train": p.files["train"]}, "split": whole, "fold": None}
    data = p.model_copy(update=changes | {"subset": None})
    source = {"train": local_files.read(files, p.csv, reach=local_files.reach_of(p.files["train"]))}
    dataset.write(source, parameters.task, data, folder / "raw")
    train, target = arrow.load(folder / "raw")["train"], parameters.task.target
    strata = np.zeros(len(train))
    if target is not None and target[1] == "class":
        strata = np.asarray(train[target[0]])
    raw = train.select(np.sort(splits.rank_rows(strata, p.split.seed)[:NUM_ROWS]))
    task = registry.load(parameters)
    features = None
    with called("tokenize.encode"):
        columns = user_code.encoder(task, parameters)(raw[:], processor, mode="train")
        features = column_types(columns, raw.features, task)
    if features is None:
        return None
    encoded = [{name: columns[name] for name in features}]
    arrow.write_split(folder / "tokenized", "train", features, encoded)
    arrow.write_index(folder / "tokenized", ["train"])
    return raw, arrow.load(folder / "tokenized")["train"]


def check_with_rows(
    p: params.Params,
    raw: "Dataset",
    encoded: "Dataset",
    config: "PretrainedConfig",
    processor: Any,
    called: Called,
) -> None:
    """Call the collator, the loss and the metrics on the rows."""
    from temper.params import user_code
    from temper.tasks.base import registry
    from temper.training import batching, custom_functions

    task = registry.load(p, encoded.features)
    task.configure(config, encoded.features)
    marks = {"draw": (p.seed, 1, 0), "is_padding": False}
    rows = [{**row, **marks} for row in encoded.to_list()]
    collate = task.collator(processor, config, p.train.augmentation)
    with called("train.collator"):
        batch = batching.collate_tensors(custom_functions.collator(p, collate), rows)
        with called("train.loss"):
            check_loss(p, task, config, batch)
    references = readable_references(p, task, raw)
    predictions = references
    if p.task.name == "question_answering":
        predictions = [answer["text"][0] if answer["text"] else "" for answer in references]
    if references:
        with called(key := "train.metric_for_best_model"):
            user_code.scores(user_code.trained_metric(p), predictions, references, key)
        with called("evaluate.metrics"):
            user_code.scores(user_code.metrics(p), predictions, references)


def check_loss(
    p: params.Params, task: "Task", config: "PretrainedConfig", batch: "dict[str, Tensor]"
) -> None:
    """Call a custom loss with logits of the network's shape; a custom class is not built here."""
    import torch

    from temper.training import custom_functions

    function, network = custom_functions.loss(p), network_checks.build_network(config, task, p)
    if function is None or network is None:
        return
    inputs = {name: values.to("meta") for name, values in batch.items() if name != "labels"}
    unmasked = {k: v for k, v in inputs.items() if k != "attention_mask"}  # models look into it
    try:
        shape = task.logits(network(**unmasked), inputs).shape
    except Exception:  # not every model runs without values; the training will see
        return
    function(torch.zeros(shape, requires_grad=True), batch["labels"])


def readable_references(p: params.Params, task: "Task", raw: "Dataset") -> list:
    """Return the references of raw rows as custom metrics get them."""
    from temper import metrics

    name = p.task.metrics
    references = [value for value in task.references(raw) or [] if value not in (None, -1)]
    if not metrics.scores_logits(name):
        return references
    if name == "multi_label":
        multi_hot = np.zeros((len(references), len(task.label_names)))
        for row, ids in zip(multi_hot, references, strict=True):
            row[ids] = 1
        references = list(multi_hot)
    return metrics.to_label_names(name, references, task.label_names)


@contextmanager
def record(key: str, parameters: params.Params, findings: Findings) -> Iterator[None]:
    """Record what custom code raises as a mistake in `key`, with its line; hide what it prints."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except InputError as error:
        findings.add(key, str(error).removeprefix(key).lstrip(": "))
    except (Exception, SystemExit) as error:  # custom code may raise anything
        resolved = {str(Path(file).resolve()): file for file in parameters.code.values()}
        frames = traceback.extract_tb(error.__traceback__)
        at = [f"{resolved[f.filename]}:{f.lineno}: " for f in frames if f.filename in resolved]
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        findings.add(key, f"{at[-1] if at else ''}fails when called: {reason}")
