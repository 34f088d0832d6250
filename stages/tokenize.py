"""data/raw and a processor → data/tokenized: token ids, pixels or samples, and labels, in Arrow.

`python -m stages.tokenize data/raw data/base/processor data/files/code data/files/tokenize
data/translators data/tokenized`. Runs in one process: a fast tokenizer already uses every core, and
worker processes (`num_proc`) make it slower.
"""

import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from temper import augmentation, params
from temper.core import arrow, artifacts, determinism, errors, startup
from temper.core.unedited import unedited
from temper.models import light_imports
from temper.params import user_code
from temper.tasks.base import Mode, conversations, registry
from temper.tasks.base.encoded_columns import column_types

Item = TypeVar("Item")
Result = TypeVar("Result")
QUANTILES = (0.0, 0.5, 0.9, 0.99, 1.0)
UNLEARNED = {  # key of report.json → what is not learned
    "without_answer": "the question alone fills tokenize.max_length, and no answer is learned",
    "earlier_answers": conversations.EARLIER,
}


@dataclass
class Counts:
    """What is counted of the rows of a split."""

    full_lengths: Counter[int] = field(default_factory=Counter)
    unlearned: Counter[str] = field(default_factory=Counter)  # rows, by what is not learned


def encode_split(
    batches: Iterable[dict[str, list]],
    encode: Callable[[dict[str, list]], dict[str, list]],
    num_unlearned: Callable[[dict[str, list], dict[str, list]], Counter[str]],
    split: str,
    counts: Counts,
) -> Iterator[Mapping[str, list]]:
    """Yield encoded columns batch by batch; count their rows.

    Args:
        num_unlearned: of raw and encoded columns, as `Task.num_unlearned`.

    A thread encodes the next batch while the caller writes this one.

    Raises:
        InputError: a row cannot be encoded; names split and row.
    """
    first = next_first = 0

    def encode_next(examples: dict[str, list]) -> tuple[dict[str, list], dict[str, list]]:
        nonlocal next_first
        with errors.naming_rows(split, next_first):
            columns = encode(examples)
        next_first += augmentation.num_rows(examples)
        return examples, columns

    for examples, columns in _ahead(encode_next, batches):
        size = augmentation.num_rows(examples)
        counts.unlearned += num_unlearned(examples, columns)
        counts.full_lengths.update(columns.pop("full_length"))
        if arrow.AUGMENTED in examples:
            marks = examples[arrow.AUGMENTED]
            columns[arrow.AUGMENTED] = [marks[i] for i in columns.get("example_id", range(size))]
        if "example_id" in columns:
            columns["example_id"] = [first + i for i in columns["example_id"]]
        first += size
        yield columns


def _ahead(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield the results of a function in order, one computed ahead of the caller."""
    with ThreadPoolExecutor(1) as pool:
        previous: Future[Result] | None = None
        for item in items:
            following = pool.submit(function, item)
            if previous is not None:
                yield previous.result()
            previous = following
        if previous is not None:
            yield previous.result()


def summarize(full_lengths: Counter[int], max_length: int | None) -> dict[str, Any]:
    """Return row, token and truncation counts and the quantiles of the full lengths.

    Of clips the tokens are samples.
    """
    lengths = np.array(sorted(full_lengths), dtype=np.int64)
    counts = np.array([full_lengths[length] for length in lengths.tolist()])
    max_length = max_length or int(lengths[-1])
    num_rows, truncated = int(counts.sum()), int(counts[lengths > max_length].sum())
    up_to = counts.cumsum()
    return {
        "rows": num_rows,
        "tokens": int(np.minimum(lengths, max_length) @ counts),
        "truncated": truncated,
        "truncated_share": round(truncated / num_rows, 6),
        "full_length": {
            f"{q:g}": int(lengths[np.searchsorted(up_to, math.ceil(q * (num_rows - 1)), "right")])
            for q in QUANTILES
        },
    }


def tokenize(
    raw_folder: Path,
    processor_folder: Path,
    translators: Path,
    target: Path,
    parameters: params.Params,
) -> dict[str, Any]:
    """Write the tokenized splits and report.json to `target`; return the report."""
    raw, p = arrow.load(raw_folder), parameters.tokenize
    task = registry.load(parameters)
    encode = user_code.encoder(task, parameters)
    processor, report = registry.load_processor(processor_folder, task), {}
    task.check_length(processor)
    if p.augment and p.augment.back_translation:
        determinism.configure(parameters.determinism, p.augment.seed)
    augment = augmentation.build_augmentation(p, task.columns, translators)
    for split, dataset in raw.items():
        is_train = split == "train"
        mode: Mode = "train" if is_train else "evaluate"
        split_augment = augment if is_train else None
        encode_rows = partial(encode, processor=processor, mode=mode)
        with errors.naming_rows(str(split)):
            first = encode_rows(dataset[:1])
        if split_augment is not None:
            first[arrow.AUGMENTED] = [False]
        features = column_types(first, dataset.features, task)
        batches, counts = augmentation.raw_batches(dataset, split_augment), Counts()
        encoded = encode_split(batches, encode_rows, task.num_unlearned, str(split), counts)
        arrow.write_split(target, str(split), features, encoded)
        report[split] = summarize(counts.full_lengths, task.max_length(processor))
        report[split] |= counts.unlearned
        if p.max_seconds is not None:
            report[split]["sampling_rate"] = processor.sampling_rate
    if augment is not None:
        report["augmented"] = augment.report()
    arrow.write_index(target, map(str, raw))
    artifacts.write_json(target / "report.json", report)
    return report


def main(
    raw_folder: Path,
    processor_folder: Path,
    code: Path,
    synonym_files: Path,
    translators: Path,
    target: Path,
) -> None:
    parameters = params.load()
    artifacts.remove_stale_manifests(code, parameters.code)
    artifacts.remove_stale_manifests(synonym_files, parameters.tokenize.synonym_files)
    with artifacts.atomic_dir(target) as folder:
        report = tokenize(raw_folder, processor_folder, translators, folder, parameters)
    augmented = report.pop("augmented", {})
    for split, summary in report.items():
        size = f"{split}: {summary['rows']:,} {parameters.task.examples_name}"
        tokens, longest = f"{summary['tokens']:,} tokens", f"{summary['full_length']['1']}"
        if rate := summary.get("sampling_rate"):
            tokens = f"{summary['tokens'] / rate / 60:,.1f} minutes at {rate:,} Hz"
            longest = f"{summary['full_length']['1'] / rate:.2f} s"
        elif parameters.tokenize.max_length is None:  # images
            print(size)
            continue
        print(
            f"{size}, {tokens}, longest {longest}, "
            f"{summary['truncated']:,} truncated ({summary['truncated_share']:.1%})"
        )
        for name, meaning in UNLEARNED.items():
            if count := summary.get(name):
                print(f"{split}: in {count:,} of these rows {meaning}")
    for method, counts in augmented.items():
        print(f"augmentation by {method}: added {counts['made']} of {counts['wanted']} rows")


if __name__ == "__main__":
    startup.collect_rarely()
    with errors.exit_on_input_error():
        determinism.prepare(params.load().determinism)
        startup.postpone("torch")
        light_imports.list_models_once()
        with unedited():
            main(*map(Path, sys.argv[1:]))
