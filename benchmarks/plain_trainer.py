"""The plain Trainer workflow, as people copy it: fp32, batch 8, rate 5e-5, dynamic padding.

`python benchmarks/plain_trainer.py --data DIR --model DIR --seed 1 --max-steps 60` trains on MRPC
and prints samples/s of the second half of the steps as JSON, and with `--max-steps -1` (three
epochs) accuracy and F1 too. `--text` and `--labels` are those of other data; with `--tags` a word
has a label, and F1 is that of whole entities. `--gpu`, `--bf16` and `--compile` are for
benchmarks/ladder.py.
"""

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from datasets import DatasetDict, load_dataset
from sklearn.metrics import f1_score
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

TEXT, LABELS = ["sentence1", "sentence2"], ["not_equivalent", "equivalent"]


class Clock(TrainerCallback):
    """Notes when half of the steps are done."""

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == state.max_steps // 2:
            self.half_s = time.perf_counter()


def encode_texts(rows: dict, tokenizer, text: list[str], labels: list[str]) -> dict:
    texts = (rows[column] for column in text)
    encoding = tokenizer(*texts, truncation=True, max_length=128)
    return {**encoding, "labels": [labels.index(label) for label in rows["label"]]}


def encode_words(rows: dict, tokenizer, text: list[str], labels: list[str]) -> dict:
    """Label the first token of each word."""
    encoding = tokenizer(rows[text[0]], is_split_into_words=True, truncation=True, max_length=128)
    encoded = []
    for i, tags in enumerate(rows["tags"]):
        words = [None, *encoding.word_ids(i)]
        first = [b if b != a else None for a, b in itertools.pairwise(words)]
        encoded.append([-100 if word is None else labels.index(tags[word]) for word in first])
    return {**encoding, "labels": encoded}


def score_texts(logits: np.ndarray, references: np.ndarray, labels: list[str]) -> dict[str, float]:
    predictions = logits.argmax(-1)
    return {
        "accuracy": float(np.mean(predictions == references)),
        "f1": float(f1_score(references, predictions)),
    }


def score_words(logits: np.ndarray, references: np.ndarray, labels: list[str]) -> dict[str, float]:
    from seqeval.metrics import accuracy_score, f1_score

    names = np.array(labels)
    predicted, actual = (
        [list(names[row[kept]]) for row, kept in zip(ids, references >= 0, strict=True)]
        for ids in (logits.argmax(-1), references)
    )
    scores = {"accuracy": accuracy_score(actual, predicted), "f1": f1_score(actual, predicted)}
    return {name: float(score) for name, score in scores.items()}


def read(data: Path, cache: str, encode: Callable, arguments: dict) -> DatasetDict:
    files = {s: str(next(data.glob(f"{s}.*"))) for s in ("train", "validation")}
    kind = {".csv": "csv", ".jsonl": "json"}[Path(files["train"]).suffix]
    splits = load_dataset(kind, data_files=files, cache_dir=cache)
    columns = splits["train"].column_names
    return splits.map(encode, batched=True, remove_columns=columns, fn_kwargs=arguments)


def train(options: argparse.Namespace) -> dict[str, float]:
    """Train as people do; return speed and, after three epochs, scores."""
    tokenizer, labels = AutoTokenizer.from_pretrained(options.model), options.labels
    of_texts = (
        AutoModelForSequenceClassification,
        DataCollatorWithPadding,
        encode_texts,
        score_texts,
    )
    of_words = (
        AutoModelForTokenClassification,
        DataCollatorForTokenClassification,
        encode_words,
        score_words,
    )
    auto_model, collator, encode, score = of_words if options.tags else of_texts
    with tempfile.TemporaryDirectory() as folder:
        arguments = {"tokenizer": tokenizer, "text": options.text, "labels": labels}
        splits = read(options.data, folder, encode, arguments)
        trainer = Trainer(
            model=auto_model.from_pretrained(options.model, num_labels=len(labels)),
            args=training_arguments(options, folder),
            train_dataset=splits["train"],
            data_collator=collator(tokenizer),
        )
        clock = Clock()
        trainer.add_callback(clock)
        output = trainer.train()
        rows = (output.global_step - output.global_step // 2) * options.batch_size
        results = {"samples_per_s": rows / (time.perf_counter() - clock.half_s)}
        results["train_loss"] = output.training_loss
        if options.max_steps < 0:
            predicted = trainer.predict(splits["validation"])
            logits, references = map(np.asarray, (predicted.predictions, predicted.label_ids))
            results |= score(logits, references, labels)
    return results


def training_arguments(options: argparse.Namespace, folder: str) -> TrainingArguments:
    return TrainingArguments(
        output_dir=folder,
        num_train_epochs=options.epochs,
        max_steps=options.max_steps,
        seed=options.seed,
        per_device_train_batch_size=options.batch_size,
        save_strategy="no",
        use_cpu=not options.gpu,
        bf16=options.bf16,
        torch_compile=options.compile,
        disable_tqdm=True,
    )


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--text", nargs="+", default=TEXT, help="columns; one of words with --tags")
    parser.add_argument("--labels", nargs="+", default=LABELS, help="F1 is that of the second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--max-steps", type=int, default=-1)
    parser.add_argument("--batch-size", type=int, default=8)
    for switch in ("tags", "gpu", "bf16", "compile"):
        parser.add_argument(f"--{switch}", action="store_true")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    print(json.dumps(train(options())))
