"""Weights → their average: exponential while training, or the mean of saved checkpoints."""

import shutil
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


def average_weights(folders: list[Path], target: Path) -> None:
    """Write the configs and the mean of the folders' weights to `target`; a single one is copied.

    Sums are in float64; integer tensors (positions and the like) and the configs are those of the
    last folder. A CRF's transitions are also in config.json, which gets the averaged ones.

    Raises:
        InputError: a folder does not match its manifest.
    """
    for folder in folders:
        checkpoint.check_complete(folder)
    target.mkdir(parents=True, exist_ok=True)
    for file in [file for pattern in MODEL_FILES for file in folders[-1].glob(pattern)]:
        shutil.copyfile(file, target / file.name)
    if len(folders) == 1:
        return
    files = [safe_open(str(folder / "model.safetensors"), "pt") for folder in folders]
    averaged = {}
    for name in files[-1].keys():  # noqa: SIM118 (not a mapping)
        tensors = [file.get_tensor(name) for file in files]
        averaged[name] = tensors[-1]
        if tensors[-1].is_floating_point():
            mean = torch.stack([tensor.double() for tensor in tensors]).mean(0)
            averaged[name] = mean.to(tensors[-1].dtype)
    save_file(averaged, str(target / "model.safetensors"), files[-1].metadata())
    if "transitions" in averaged:
        config = artifacts.read_json(target / "config.json")
        config["transitions"] = averaged["transitions"].double().tolist()
        artifacts.write_json(target / "config.json", config)
