"""data/raw and a processor → data/tokenized: token ids, lengths and labels in Arrow.

`python -m stages.tokenize data/raw data/base/processor data/tokenized`. One process: a fast
tokenizer already uses every core (FACTS 29: worker processes are slower).
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stages import arrow, determinism, errors, outputs, params, tasks
from stages.errors import InputError

QUANTILES = (0.0, 0.5, 0.9, 0.99, 1.0)


def load_processor(folder: Path) -> Any:
    """Load the tokenizer; one without a pad token pads with its end-of-sequence token.

    Raises:
        InputError: it has neither.
    """
    from transformers import AutoTokenizer

    processor = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    if processor.pad_token_id is None:
        if processor.eos_token_id is None:
            raise InputError(
                f"{folder}: the tokenizer has neither a pad token nor an end-of-sequence token; "
                "set one of them in its tokenizer_config.json"
            )
        processor.pad_token = processor.eos_token
    return processor


def check_max_length(max_length: int, processor: Any, num_texts: int) -> None:
    """Refuse a `max_length` the model has no positions for, or that leaves no room for text."""
    special = processor.num_special_tokens_to_add(pair=num_texts == 2)
    if max_length > processor.model_max_length:
        raise InputError(
            f"tokenize.max_length is {max_length}, but the model has positions for "
            f"{processor.model_max_length} tokens; set it to that or less"
        )
    if max_length < special + num_texts:
        raise InputError(
            f"tokenize.max_length is {max_length}, but {special} special tokens and a token for "
            f"each text need {special + num_texts}"
        )


def encode_split(
    dataset: Any, task: tasks.Task, processor: Any, max_length: int, seen: list[np.ndarray]
) -> Iterator[Mapping[str, list]]:
    """Yield encoded columns batch by batch; add each batch's full lengths to `seen`."""
    from tqdm import tqdm

    batches = arrow.column_batches(dataset)
    for examples in tqdm(batches, total=-(-len(dataset) // arrow.ROWS_PER_BATCH), leave=False):
        columns = task.encode(examples, processor, max_length)
        seen.append(np.array(columns.pop("full_length"), dtype=np.int64))
        yield columns


def describe(full_lengths: np.ndarray, max_length: int) -> dict[str, Any]:
    """Return row, token and truncation counts and the quantiles of the full lengths."""
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


def tokenize(raw_folder: Path, processor_folder: Path, target: Path, all_params: Any) -> dict:
    """Write the tokenized splits to `target`; return the report, also in its `report.json`."""
    task, max_length = tasks.load(all_params.task), all_params.tokenize.max_length
    raw, processor = arrow.load(raw_folder), load_processor(processor_folder)
    check_max_length(max_length, processor, len(task.columns))
    has_token_types = "token_type_ids" in processor("a")
    report = {}
    for split, dataset in raw.items():
        lengths: list[np.ndarray] = []
        features = task.features(dataset.features, has_token_types)
        batches = encode_split(dataset, task, processor, max_length, lengths)
        arrow.write_split(target, split, features, batches)
        report[split] = describe(np.concatenate(lengths), max_length)
    arrow.write_index(target, raw)
    outputs.write_json(target / "report.json", report)
    return report


def main(raw_folder: Path, processor_folder: Path, target: Path) -> None:
    with outputs.whole_folder(target) as folder:
        report = tokenize(raw_folder, processor_folder, folder, params.load())
    for split, facts in report.items():
        print(
            f"{split}: {facts['rows']} rows, {facts['tokens']} tokens, longest "
            f"{facts['full_length']['1']}, {facts['truncated']} truncated "
            f"({facts['truncated_share']:.1%})"
        )


if __name__ == "__main__":
    with errors.reported():
        determinism.prepare(params.load().determinism)
        main(*map(Path, sys.argv[1:]))
