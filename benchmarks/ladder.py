"""What each switch brings on one GPU or the CPU: samples/s, memory and loss, beside the Trainer.

`python benchmarks/ladder.py --data DIR --model DIR` trains on MRPC, one process per row of the
table; see docs/speed.md. `--config hidden_size=768 num_hidden_layers=12` makes another size of the
same family, with new weights. Speed is that of the second half of the steps, which no recording and
no compiling is part of; `first half` says what those cost.
"""

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import plain_trainer
import torch
import yaml
from mrpc import ROOT, change

from stages import download, hash_inputs, tokenize, train
from temper import params
from temper.core import arrow, determinism, yaml_file
from temper.training import memory, recorded_steps, setup

PLAIN = {"trainer": (False, False), "trainer_bf16": (True, False), "trainer_compile": (True, True)}
FP32 = {"engine": "loop", "precision": "fp32", "bucket_window": 0}
BUCKETS = {"bucket_window": None}  # chosen by padding
OURS = {
    "fp32": FP32,
    "fp32_buckets": FP32 | BUCKETS,
    "dropout": FP32 | BUCKETS,
    "memory": FP32 | BUCKETS,
    "tokens": FP32 | BUCKETS | {"batch_tokens": True},
    "other_engine": FP32 | BUCKETS | {"engine": "trainer"},
    "cpu_bf16": FP32 | BUCKETS | {"precision": "bf16"},
    "bf16": FP32 | {"precision": "bf16"},
    "buckets": FP32 | BUCKETS | {"precision": "bf16"},
    "graphs": FP32 | BUCKETS | {"precision": "bf16"},
    "compile": FP32 | BUCKETS | {"precision": "bf16", "compile": True},
    "compile_tokens": FP32 | BUCKETS | {"precision": "bf16", "compile": True, "batch_tokens": True},
}
ON_CPU = (
    "trainer",
    "fp32",
    "fp32_buckets",
    "dropout",
    "memory",
    "tokens",
    "other_engine",
    "cpu_bf16",
)
ON_GPU = (*PLAIN, "fp32", "bf16", "buckets", "graphs", "compile", "compile_tokens")
TITLES = {
    "trainer": "plain Trainer, fp32",
    "trainer_bf16": "plain Trainer, bf16",
    "trainer_compile": "plain Trainer, bf16, torch_compile",
    "fp32": "engine loop, fp32, fused AdamW",
    "fp32_buckets": "+ length buckets, no multiple",
    "dropout": "+ seeded dropout",
    "memory": "+ freed memory is kept",
    "tokens": "as 'freed memory', batches of equal tokens",
    "other_engine": "as 'freed memory', with engine trainer",
    "cpu_bf16": "as 'freed memory', bf16 (autocast)",
    "bf16": "+ bf16 (autocast)",
    "buckets": "+ length buckets",
    "graphs": "+ CUDA graphs, flat bf16 weights",
    "compile": "+ train.compile",
    "compile_tokens": "+ batches of equal tokens",
}
RECORDED = ("graphs", "compile", "compile_tokens")
WITHOUT_DROPOUT = ("fp32", "fp32_buckets")  # torch's own masks
WITHOUT_MEMORY = (*WITHOUT_DROPOUT, "dropout")
SPLITS = ("train", "validation")
ON_A_GPU = torch.cuda.is_available()


def write_params(data: Path, model: Path, batch_size: int, config: dict[str, Any]) -> dict:
    """Write params.yaml for MRPC into the working directory; return its tree."""
    tree = yaml.load((ROOT / "tests/params.yaml").read_text(), Loader=yaml_file.Loader)
    tree["data"] |= {"files": {split: str(data / f"{split}.csv") for split in SPLITS}}
    tree["data"]["split"] |= {"validation": 0.0, "test": 0.0}
    tree["model"] |= {"name": "base", "files": {"base": str(model)}}
    tree["model"] |= {"from_scratch": bool(config), "config": config}
    tree["tokenize"] |= {"max_length": 128, "pad_to_multiple_of": None}
    tree["determinism"] |= {"num_threads": 4 if ON_A_GPU else 2, "portable": False}
    tree["train"] |= {"batch_size": batch_size, "learning_rate": 5e-5, "epochs": 2}
    tree["train"] |= {"evaluate_every": 10**6, "save_every": 10**6, "keep_checkpoints": "last"}
    tree["train"] |= {"metric_for_best_model": "loss", "weight_decay": 0.0}
    Path("params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    return tree


def prepare(parameters: params.Params) -> None:
    """Run the stages before train in the working directory."""
    for group, named in {"dataset": parameters.data.files, "model": parameters.model.files}.items():
        for name, source in named.items():
            hash_inputs.main(Path(source), Path(f"data/files/{group}/{name}.json"))
        out = {"dataset": "data/raw", "model": "data/base"}[group]
        download.main(group, Path("data/files") / group, Path(out))
    names = ("raw", "base/processor", "files/code", "files/tokenize", "translators", "tokenized")
    tokenize.main(*(Path("data") / name for name in names))


def measure(row: str, tree: dict, epochs: float, folder: Path) -> dict[str, float]:
    """Train in this process with the switches of a row."""
    tree = tree | {"train": tree["train"] | OURS[row] | {"epochs": epochs}}
    size = tree["train"]["batch_size"]
    if "batch_tokens" in OURS[row]:  # as many of them as fit into a batch of the others
        num_tokens = np.asarray(arrow.load(Path("data/tokenized"))["train"]["length"]).mean()
        tree["train"] |= {"batch_size": None, "batch_tokens": round(size * num_tokens)}
    Path("params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    parameters, times, losses = params.load(), [], []
    determinism.configure(parameters.determinism, parameters.seed)
    scores: dict[str, float] = {}

    def on_metrics(prefix: str, metrics: dict[str, float], step: int) -> None:
        if prefix == "train":
            times.append(time.perf_counter())
            losses.append(metrics["loss"])
        else:
            scores.update(metrics)

    switch_off(row)
    folder.mkdir(parents=True)
    started = time.perf_counter()
    data = arrow.load(Path("data/tokenized"))
    trained = train.fine_tune(parameters, data, Path("data/base"), folder, on_metrics)
    group = recorded_steps.LOG_EVERY if ON_A_GPU else 1
    half = min(len(times) // 2 // group * group + group - 1, len(times) - 2)  # end of a group
    rows = trained.sampler.num_rows / trained.sampler.num_batches  # of a batch
    return {
        "samples_per_s": (len(times) - 1 - half) * rows / (times[-1] - times[half]),
        "first_half_s": times[half] - started,
        "peak_gib": peak_gib(),
        "padding": trained.padding_share,
        "train_loss": sum(losses[half:]) / len(losses[half:]),
        "accuracy": scores.get("accuracy", float("nan")),
    }


def switch_off(row: str) -> None:
    """Take away what a row does without and `params.yaml` has no key for."""
    if row not in RECORDED:
        recorded_steps.obstacle = lambda _: "it is off"
    if row in WITHOUT_DROPOUT:
        setup.build_dropout = lambda *_: None
    if row in WITHOUT_MEMORY:
        memory.keep_freed_memory = lambda: None


def peak_gib() -> float:
    """Return the peak memory of the GPU, or of this process."""
    if ON_A_GPU:
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measure_plain(row: str, data: Path, model: Path, size: int, steps: int) -> dict[str, float]:
    """Train as people do, without our settings."""
    bf16, compiles = PLAIN[row]
    arguments = ["--data", str(data), "--model", str(model)]
    arguments += ["--batch-size", str(size), "--max-steps", str(steps)]
    switches = {"--gpu": ON_A_GPU, "--bf16": bf16, "--compile": compiles}
    arguments += [switch for switch, is_on in switches.items() if is_on]
    torch.set_num_threads(4 if ON_A_GPU else 2)
    return plain_trainer.train(plain_trainer.options(arguments)) | {"peak_gib": peak_gib()}


def main(options: argparse.Namespace) -> None:
    data, model, rows = options.data.resolve(), options.model.resolve(), []
    with (
        tempfile.TemporaryDirectory() as folder,
        chdir(folder),
        # a process per row: none keeps another's memory or kernels
        multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool,
    ):
        for size in options.batch_sizes:
            tree = write_params(data, model, size, dict(options.config))
            if not Path("data/tokenized").exists():
                prepare(params.load())
                plain_model = with_weights(model, dict(options.config), Path(folder, "weights"))
            for row in options.rows:
                if row in PLAIN:
                    task = measure_plain, (row, data, plain_model, size, options.plain_steps)
                else:
                    epochs = options.epochs if row in RECORDED else options.slow_epochs
                    task = measure, (row, tree, epochs, Path(folder, f"{row}-{len(rows)}"))
                rows.append({"row": row, "batch_size": size} | pool.apply(*task))
                print(json.dumps(rows[-1]), flush=True)
    print(table(rows))


def with_weights(model: Path, config: dict[str, Any], folder: Path) -> Path:
    """Return a folder from_pretrained can read: the model's own, or one with new weights."""
    if not config:
        return model
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    AutoModel.from_config(AutoConfig.from_pretrained(model, **config)).save_pretrained(folder)
    AutoTokenizer.from_pretrained(model).save_pretrained(folder)
    return folder


def table(rows: list[dict[str, Any]]) -> str:
    """Return the measurements as Markdown, speed relative to the plain Trainer's if it ran."""
    plain = {r["batch_size"]: r["samples_per_s"] for r in rows if r["row"] == "trainer"}
    lines = ["| batch | row | samples/s | times the Trainer | peak GiB | padding | train loss |"]
    lines += ["| --- " * 7 + "|"]
    for r in rows:
        ratio = r["samples_per_s"] / plain.get(r["batch_size"], float("nan"))
        lines.append(
            f"| {r['batch_size']} | {TITLES[r['row']]} | {r['samples_per_s']:,.0f} | {ratio:.1f} "
            f"| {r.get('peak_gib', 0):.2f} | {r.get('padding', 0):.0%} "
            f"| {r.get('train_loss', float('nan')):.4f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[8])
    parser.add_argument("--config", type=change, nargs="*", default=[])
    on_device = ON_GPU if ON_A_GPU else ON_CPU
    parser.add_argument("--rows", choices=[*TITLES], nargs="+", default=on_device)
    parser.add_argument("--epochs", type=float, default=6, help="of recorded steps")
    parser.add_argument("--slow-epochs", type=float, default=0.25, help="of the other rows of ours")
    parser.add_argument("--plain-steps", type=int, default=100)
    main(parser.parse_args())
