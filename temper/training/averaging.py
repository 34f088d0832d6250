"""Weights → their average: exponential while training, or the mean of saved checkpoints."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import safe_open
from safetensors.torch import load_model, save_file, save_model
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from temper.core import artifacts
from temper.training import checkpoint

if TYPE_CHECKING:
    from temper.params.train import WeightAveraging

EMA_FILE = "average.safetensors"
WEIGHTS = "model.safetensors"
MODEL_FILES = ("config.json", "generation_config.json", "model*.safetensors*")


def build_ema(model: nn.Module, params: "WeightAveraging | None") -> AveragedModel | None:
    """Build torch's AveragedModel with an exponential moving average; None where it is off."""
    if params is None or params.kind != "ema":
        return None
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(params.decay or 0.0))


def save_ema(ema: AveragedModel | None, folder: Path) -> None:
    """Add the moving average to a checkpoint, if there is one."""
    if ema is not None:
        save_model(ema, str(folder / EMA_FILE))


def load_ema(ema: AveragedModel | None, folder: Path) -> None:
    """Restore what `save_ema` wrote."""
    if ema is not None:
        load_model(ema, str(folder / EMA_FILE))


def average_weights(trainings: Sequence[Sequence[Path]], target: Path) -> set[str]:
    """Write the configs and the mean of weights to `target`; those of a single folder are copied.

    Sums are in float64; integer tensors (positions and the like) and the configs are those of the
    last folder. A CRF's transitions are also in config.json, which gets the averaged ones.

    Args:
        trainings: the folders of each; every training weighs the same, as do the folders of one.

    Returns:
        The names of the tensors that were averaged and are not the same in all folders.

    Raises:
        InputError: a folder does not match its manifest.
    """
    folders = [folder for training in trainings for folder in training]
    for folder in folders:
        checkpoint.check_complete(folder)
    target.mkdir(parents=True, exist_ok=True)
    for file in [file for pattern in MODEL_FILES for file in folders[-1].glob(pattern)]:
        shutil.copyfile(file, target / file.name)
    if len(folders) == 1:
        return set()
    files = {folder: safe_open(str(folder / WEIGHTS), "pt") for folder in folders}
    averaged, changed, last = {}, set(), folders[-1]
    for name in files[last].keys():  # noqa: SIM118 (not a mapping)
        tensors = {folder: file.get_tensor(name) for folder, file in files.items()}
        averaged[name] = tensors[last]
        if tensors[last].is_floating_point():
            means = [mean([tensors[folder].double() for folder in t]) for t in trainings]
            averaged[name] = mean(means).to(tensors[last].dtype)
            if not all(torch.equal(tensor, tensors[last]) for tensor in tensors.values()):
                changed.add(name)
    save_file(averaged, str(target / WEIGHTS), files[last].metadata())
    if "transitions" in averaged:
        config = artifacts.read_json(target / "config.json")
        config["transitions"] = averaged["transitions"].double().tolist()
        artifacts.write_json(target / "config.json", config)
    return changed


def mean(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the mean of tensors of one shape."""
    return torch.stack(list(tensors)).mean(0)
