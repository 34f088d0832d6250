"""Everything that determines the result of a training → its fingerprint, the name of its folder.

The record lies beside the checkpoints. So a training that starts anew can say that one of the same
parameters and data was left unfinished, and which difference keeps it from being resumed.
"""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from temper.core import artifacts, determinism, pipeline
from temper.params.schema import Params
from temper.training import checkpoint

FILE = "fingerprint.json"
CODE_FOLDERS = ("stages/", "temper/")
# Code that displays and records; it changes no result.
DISPLAY_CODE = ("temper/tracking/", "temper/training/console.py", "temper/training/reporters.py")
LIBRARIES = ("python", "torch", "transformers", "accelerate", "numpy", "safetensors")
DEVICES = ("torch.cpu_capability", "gpu", "cuda")
# Sections without which a training is another one; the rest is how and by what it is done.
SAME_TRAINING = ("params", "model", "positive_label", "inputs", "custom_code")

Record = dict[str, Any]


def record(parameters: Params, folders: list[Path], launch: Path, world_size: int) -> Record:
    """Return everything that determines the result of training, files as their sha256."""
    environment = determinism.environment() | determinism.torch_environment()
    names = [f"version.{name}" for name in LIBRARIES] + list(DEVICES)
    return {
        "params": parameters.model_dump(
            include={"seed", "determinism", "task", "tokenize", "train"}, mode="json"
        ),
        "model": parameters.model.model_dump(
            include={"head", "lora", "new_tokens", "custom_class"}, mode="json"
        ),
        "positive_label": parameters.evaluate.positive_label,
        "inputs": {"/".join(f.parts[-2:]): artifacts.sha256_tree(f) for f in folders},
        "code": {path: artifacts.sha256_file(Path(path)) for path in code_files(parameters)},
        "custom_code": {n: artifacts.sha256_file(Path(p)) for n, p in parameters.code.items()},
        "environment": {name: environment.get(name) for name in names},
        "launch": artifacts.sha256_file(launch),
        "world_size": world_size,
    }


def digest(record: Record) -> str:
    """Return the sha256 of a record."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def code_files(parameters: Params) -> list[str]:
    """Return the code files that dvc.yaml lists for train, with its folders expanded."""
    known = {"task": {"name": parameters.task.name}, "train": {"engine": parameters.train.engine}}
    _, deps = pipeline.read("train", known)
    names = sorted(file.as_posix() for file in pipeline.code_files(deps) if file.suffix == ".py")
    return [n for n in names if n.startswith(CODE_FOLDERS) and not n.startswith(DISPLAY_CODE)]


def keep(record: Record, folder: Path) -> str | None:
    """Write a record beside the checkpoints that a training is about to write.

    Returns:
        A line on another unfinished training of the same parameters and data, the one that came
        furthest, and why it is not resumed; None: there is none, or this one has checkpoints.
    """
    if checkpoint.numbered_folders(folder, "checkpoint"):
        return None
    artifacts.write_json(folder / FILE, record)
    unfinished = {}
    for path in sorted(folder.parent.glob(f"*/{FILE}")):
        steps = checkpoint.numbered_folders(path.parent, "checkpoint")
        if steps and not (path.parent / "last").exists():
            with suppress(OSError, ValueError, LookupError, TypeError, AttributeError):  # broken
                differences = _differences(artifacts.read_json(path), record)
                unfinished[checkpoint.step_of(steps[-1]), path.parent.name] = differences
    alike = {key: differences for key, differences in unfinished.items() if differences}
    if not alike:
        return None
    step, name = max(alike)
    return (
        f"checkpoints/{name} was left at step {step} by a training of the same parameters and data "
        f"with {alike[step, name]}: its bytes would differ, so this one starts anew"
    )


def _differences(earlier: Record, record: Record) -> str:
    """Return what differs in how the same training was done; empty: it is another training."""
    if any(_without_launch(earlier.get(n)) != _without_launch(record[n]) for n in SAME_TRAINING):
        return ""
    differences = []
    if earlier["world_size"] != record["world_size"]:
        differences.append(f"{earlier['world_size']} processes (now {record['world_size']})")
    elif earlier["launch"] != record["launch"]:
        differences.append("another launch file")
    for name, value in record["environment"].items():
        if (before := earlier["environment"].get(name)) != value:
            differences.append(f"{name.removeprefix('version.')} {before} (now {value})")
    if earlier["code"] != record["code"]:
        changed = dict(earlier["code"].items() ^ record["code"].items())
        differences.append(f"other code ({', '.join(sorted(changed)):.200})")
    return ", ".join(differences)


def _without_launch(section: Any) -> Any:
    """Return a section of a record without the name of the launch file."""
    if not isinstance(section, dict) or "train" not in section:
        return section
    return section | {"train": {k: v for k, v in section["train"].items() if k != "launch"}}
