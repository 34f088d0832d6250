"""The plain Trainer workflow on MRPC, as people copy it: fp32, batch 8, dynamic padding.

`python benchmarks/plain_trainer.py --data DIR --model DIR --seed 1 --max-steps 60` prints
samples/s of the second half of the steps as JSON, and with `--max-steps -1` (three epochs) accuracy
and F1 too. `--gpu`, `--bf16` and `--compile` are for benchmarks/ladder.py.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from datasets import load_dataset
from sklearn.metrics import f1_score
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

LABELS = {"not_equivalent": 0, "equivalent": 1}


class Clock(TrainerCallback):
    """Notes when half of the steps are done."""

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == state.max_steps // 2:
            self.half_s = time.perf_counter()


def train(options: argparse.Namespace) -> dict[str, float]:
    """Train as people do; return speed and, after three epochs, scores."""
    data, model, max_steps = options.data, options.model, options.max_steps
    tokenizer = AutoTokenizer.from_pretrained(model)

    def encode(rows: dict) -> dict:
        encoding = tokenizer(rows["sentence1"], rows["sentence2"], truncation=True, max_length=128)
        return {**encoding, "labels": [LABELS[label] for label in rows["label"]]}

    files = {split: str(data / f"{split}.csv") for split in ("train", "validation")}
    with tempfile.TemporaryDirectory() as folder:
        splits = load_dataset("csv", data_files=files, cache_dir=folder)
        splits = splits.map(encode, batched=True, remove_columns=splits["train"].column_names)
        trainer = Trainer(
            model=AutoModelForSequenceClassification.from_pretrained(model, num_labels=2),
            args=TrainingArguments(
                output_dir=folder,
                num_train_epochs=3,
                max_steps=max_steps,
                seed=options.seed,
                per_device_train_batch_size=options.batch_size,
                save_strategy="no",
                use_cpu=not options.gpu,
                bf16=options.bf16,
                torch_compile=options.compile,
                disable_tqdm=True,
            ),
            train_dataset=splits["train"],
            data_collator=DataCollatorWithPadding(tokenizer),
        )
        clock = Clock()
        trainer.add_callback(clock)
        output = trainer.train()
        rows = (output.global_step - output.global_step // 2) * options.batch_size
        results = {"samples_per_s": rows / (time.perf_counter() - clock.half_s)}
        results["train_loss"] = output.training_loss
        if max_steps < 0:
            output = trainer.predict(splits["validation"])
            predictions, references = output.predictions.argmax(-1), output.label_ids
            results["accuracy"] = float(np.mean(predictions == references))
            results["f1"] = float(f1_score(references, predictions))
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--max-steps", type=int, default=-1)
    parser.add_argument("--batch-size", type=int, default=8)
    for switch in ("gpu", "bf16", "compile"):
        parser.add_argument(f"--{switch}", action="store_true")
    print(json.dumps(train(parser.parse_args())))
