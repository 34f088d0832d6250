"""What each switch brings on one GPU: samples/s, memory and loss, beside the plain Trainer.

`python benchmarks/ladder.py --data DIR --model DIR --batch-sizes 8 16` trains on MRPC; see
benchmarks/README.md. `--config hidden_size=768 num_hidden_layers=12` makes another size of the same
family, with new weights. Speed is that of the second half of the steps, which no recording and no
compiling is part of; `first half` says what those cost.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import plain_trainer
import torch
import yaml
from mrpc import ROOT, change

from stages import download, hash_inputs, tokenize, train
from temper import params
from temper.core import arrow, determinism, yaml_file
from temper.engines import loop
from temper.training import recorded_steps

PLAIN = {"trainer": (False, False), "trainer_bf16": (True, False), "trainer_compile": (True, True)}
FP32 = {"engine": "loop", "precision": "fp32", "bucket_window": 0}
BF16 = FP32 | {"precision": "bf16"}
BUCKETS = BF16 | {"bucket_window": 32}
OURS = {"fp32": FP32, "bf16": BF16, "buckets": BUCKETS, "graphs": BUCKETS}
OURS["compile"] = BUCKETS | {"compile": True}
TITLES = {
    "trainer": "plain Trainer, fp32",
    "trainer_bf16": "plain Trainer, bf16",
    "trainer_compile": "plain Trainer, bf16, torch_compile",
    "fp32": "engine loop, fp32, fused AdamW",
    "bf16": "+ bf16 (autocast)",
    "buckets": "+ length buckets",
    "graphs": "+ CUDA graphs, flat bf16 weights",
    "compile": "+ train.compile",
}
RECORDED = ("graphs", "compile")
SPLITS = ("train", "validation")


def write_params(data: Path, model: Path, batch_size: int, config: dict[str, Any]) -> dict:
    """Write params.yaml for MRPC into the working directory; return its tree."""
    tree = yaml.load((ROOT / "tests/params.yaml").read_text(), Loader=yaml_file.Loader)
    tree["data"] |= {"files": {split: str(data / f"{split}.csv") for split in SPLITS}}
    tree["data"]["split"] |= {"validation": 0.0, "test": 0.0}
    tree["model"] |= {"name": "base", "files": {"base": str(model)}}
    tree["model"] |= {"from_scratch": bool(config), "config": config}
    tree["tokenize"]["max_length"] = 128
    tree["determinism"] |= {"num_threads": 4, "portable": False}
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
    Path("params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    parameters, times, losses = params.load(), [], []
    scores: dict[str, float] = {}

    def on_metrics(prefix: str, metrics: dict[str, float], step: int) -> None:
        if prefix == "train":
            times.append(time.perf_counter())
            losses.append(metrics["loss"])
        else:
            scores.update(metrics)

    plain_steps: Callable[[Any], Any] = lambda plain: plain  # noqa: E731
    fastest, loop.fastest = loop.fastest, loop.fastest if row in RECORDED else plain_steps
    torch.cuda.reset_peak_memory_stats()
    folder.mkdir(parents=True)
    started = time.perf_counter()
    data = arrow.load(Path("data/tokenized"))
    session = train.fine_tune(parameters, data, Path("data/base"), folder, on_metrics)
    loop.fastest, group = fastest, recorded_steps.LOG_EVERY
    half = min(len(times) // 2 // group * group + group - 1, len(times) - 2)  # end of a group
    size = tree["train"]["batch_size"]
    return {
        "samples_per_s": (len(times) - 1 - half) * size / (times[-1] - times[half]),
        "first_half_s": times[half] - started,
        "peak_gib": torch.cuda.max_memory_allocated() / 2**30,
        "padding": session.sampler.padding_share(session.setup.padded_length),
        "train_loss": sum(losses[half:]) / len(losses[half:]),
        "accuracy": scores.get("accuracy", float("nan")),
    }


def measure_plain(row: str, data: Path, model: Path, size: int, steps: int) -> dict[str, float]:
    """Train as people do, without our settings."""
    bf16, compiles = PLAIN[row]
    torch.use_deterministic_algorithms(False)
    torch.cuda.reset_peak_memory_stats()
    options = {"data": data, "model": model, "batch_size": size, "max_steps": steps, "seed": 1}
    return plain_trainer.train(argparse.Namespace(**options, gpu=True, bf16=bf16, compile=compiles))


def main(options: argparse.Namespace) -> None:
    data, model, rows = options.data.resolve(), options.model.resolve(), []
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        for size in options.batch_sizes:
            tree = write_params(data, model, size, dict(options.config))
            parameters = params.load()
            determinism.configure(parameters.determinism, parameters.seed)
            if not Path("data/tokenized").exists():
                prepare(parameters)
                plain_model = with_weights(model, dict(options.config), Path(folder, "weights"))
            for row in options.rows:
                if row in PLAIN:
                    result = measure_plain(row, data, plain_model, size, options.plain_steps)
                else:
                    epochs = options.epochs if row in RECORDED else options.slow_epochs
                    result = measure(row, tree, epochs, Path(folder, f"{row}-{size}"))
                rows.append({"row": row, "batch_size": size} | result)
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
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[8, 16])
    parser.add_argument("--config", type=change, nargs="*", default=[])
    parser.add_argument("--rows", choices=[*TITLES], nargs="+", default=[*TITLES])
    parser.add_argument("--epochs", type=float, default=6, help="of recorded steps")
    parser.add_argument("--slow-epochs", type=float, default=0.5, help="of the other rows of ours")
    parser.add_argument("--plain-steps", type=int, default=200)
    main(parser.parse_args())
