"""data/raw and a processor → data/tokenized: token ids or pixels, lengths and labels in Arrow.

`python -m stages.tokenize data/raw data/base/processor data/files/code data/files/tokenize
data/translators data/tokenized`. One process: a fast tokenizer already uses every core (FACTS 29:
worker processes are slower).
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from temper import augmentation, params
from temper.core import arrow, artifacts, determinism, errors
from temper.core.errors import InputError
from temper.params import user_code
from temper.tasks.base import registry
from temper.tasks.base.windows import check_max_length

QUANTILES = (0.0, 0.5, 0.9, 0.99, 1.0)


def encode_split(
    batches: Iterable[dict[str, list]],
    task: registry.Task,
    processor: Any,
    mode: str,
    seen: list[np.ndarray],
) -> Iterator[Mapping[str, list]]:
    """Yield encoded columns batch by batch; add each batch's full lengths to `seen`."""
    first = 0
    for examples in batches:
        size = augmentation.size_of(examples)
        columns = task.encode(examples, processor, mode=mode)
        seen.append(np.array(columns.pop("full_length"), dtype=np.int64))
        if arrow.AUGMENTED in examples:
            marks = examples[arrow.AUGMENTED]
            columns[arrow.AUGMENTED] = [marks[i] for i in columns.get("example_id", range(size))]
        if "example_id" in columns:
            columns["example_id"] = [first + i for i in columns["example_id"]]
        first += size
        yield columns


def raw_batches(dataset: Any, made_by: augmentation.Augmentation | None) -> Iterator[dict]:
    """Yield raw columns batch by batch, those of made rows after the others, with progress."""
    from tqdm import tqdm

    batches, passes = arrow.column_batches(dataset), 1
    if made_by is not None:
        batches, passes = augmentation.batches(dataset, made_by), 1 + len(made_by.methods)
    total = passes * -(-len(dataset) // arrow.ROWS_PER_BATCH)
    yield from tqdm(batches, total=total, leave=False)


def features(columns: Mapping[str, list], raw: Any, task: registry.Task) -> Any:
    """Return the `datasets.Features` of encoded columns."""
    from datasets import Features, List, Value

    whole, tokens, narrow = Value("int32"), List(Value("int32")), List(Value("int8"))
    if any(isinstance(item, list) for item in columns.get("input_ids", [[]])[0]):
        tokens, narrow = List(tokens), List(narrow)  # one list per choice
    known: dict[str, Any] = dict.fromkeys(("length", "example_id", "prompt_length"), whole)
    known |= dict.fromkeys(("input_ids", "word_ids", "starts", "ends", "shape"), tokens)
    known |= {"token_type_ids": narrow, "pixel_values": Value("binary")}
    known |= {arrow.AUGMENTED: Value("bool")}
    if "labels" in columns:
        known["labels"] = task.label_feature(raw)
    for name in columns:
        if name not in known and name != "full_length":
            raise InputError(
                f"tokenize.encode returns a column {name!r}; a batch is made of {', '.join(known)}"
            )
    return Features({name: known[name] for name in columns if name != "full_length"})


def describe(full_lengths: np.ndarray, max_length: int | None) -> dict[str, Any]:
    """Return row, token and truncation counts and the quantiles of the full lengths."""
    max_length = max_length or int(full_lengths.max())
    truncated = int((full_lengths > max_length).sum())
    return {
        "rows": len(full_lengths),
        "tokens": int(np.minimum(full_lengths, max_length).sum()),
        "truncated": truncated,
        "truncated_share": round(truncated / len(full_lengths), 6),
        "full_length": {
            f"{quantile:g}": int(np.quantile(full_lengths, quantile, method="higher"))
            for quantile in QUANTILES
        },
    }


def tokenize(
    raw_folder: Path, processor_folder: Path, translators: Path, target: Path, all_params: Any
) -> dict:
    """Write the tokenized splits to `target`; return the report, also in its `report.json`."""
    raw, p = arrow.load(raw_folder), all_params.tokenize
    task = user_code.with_custom_encode(registry.load(all_params), all_params)
    processor, report = registry.load_processor(processor_folder, task), {}
    check_max_length(p, processor, min(len(task.columns), 2))
    if p.augment and p.augment.back_translation:
        determinism.configure(all_params.determinism, p.augment.seed)
    made_by = augmentation.build_augmentation(p, task.columns, translators)
    for split, dataset in raw.items():
        lengths: list[np.ndarray] = []
        mode = "train" if split == "train" else "evaluate"
        rows_made_by = made_by if split == "train" else None
        first = task.encode(dataset[:1], processor, mode=mode)
        if rows_made_by is not None:
            first[arrow.AUGMENTED] = [False]
        columns = features(first, dataset.features, task)
        batches = raw_batches(dataset, rows_made_by)
        encoded = encode_split(batches, task, processor, mode, lengths)
        arrow.write_split(target, split, columns, encoded)
        report[split] = describe(np.concatenate(lengths), p.max_length)
    if made_by is not None:
        report["augmented"] = made_by.report()
    arrow.write_index(target, raw)
    artifacts.write_json(target / "report.json", report)
    return report


def main(
    raw_folder: Path,
    processor_folder: Path,
    code: Path,
    word_lists: Path,
    translators: Path,
    target: Path,
) -> None:
    parameters = params.load()
    artifacts.remove_stale_manifests(code, parameters.code)
    artifacts.remove_stale_manifests(word_lists, parameters.tokenize.synonym_files)
    with artifacts.atomic_dir(target) as folder:
        report = tokenize(raw_folder, processor_folder, translators, folder, parameters)
    made = report.pop("augmented", {})
    for split, facts in report.items():
        print(
            f"{split}: {facts['rows']} rows, {facts['tokens']} tokens, longest "
            f"{facts['full_length']['1']}, {facts['truncated']} truncated "
            f"({facts['truncated_share']:.1%})"
        )
    for method, counts in made.items():
        print(f"augmented by {method}: {counts['made']} rows of {counts['wanted']} wanted")


if __name__ == "__main__":
    with errors.exit_on_input_error():
        determinism.prepare(params.load().determinism)
        main(*map(Path, sys.argv[1:]))
