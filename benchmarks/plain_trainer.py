"""The plain Trainer workflow on MRPC, as people copy it: fp32, batch 8, dynamic padding.

`python benchmarks/plain_trainer.py --data DIR --model DIR --seed 1 --max-steps 60` prints
samples/s as JSON, and with `--max-steps -1` (three epochs) accuracy and F1 too.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from datasets import load_dataset
from sklearn.metrics import f1_score
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)

LABELS = {"not_equivalent": 0, "equivalent": 1}


def main(data: Path, model: Path, seed: int, max_steps: int) -> None:
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
                seed=seed,
                per_device_train_batch_size=8,
                save_strategy="no",
                use_cpu=True,
                disable_tqdm=True,
            ),
            train_dataset=splits["train"],
            data_collator=DataCollatorWithPadding(tokenizer),
        )
        results = {"samples_per_s": trainer.train().metrics["train_samples_per_second"]}
        if max_steps < 0:
            output = trainer.predict(splits["validation"])
            predictions, references = output.predictions.argmax(-1), output.label_ids
            results["accuracy"] = float(np.mean(predictions == references))
            results["f1"] = float(f1_score(references, predictions))
    print(json.dumps(results))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--max-steps", type=int, default=-1)
    main(**vars(parser.parse_args()))
