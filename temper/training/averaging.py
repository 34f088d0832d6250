"""Weights → their average: exponential while training, or the mean of kept checkpoints."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from temper.core import artifacts

if TYPE_CHECKING:
    from temper.params.train import WeightAveraging

FILE = "average.safetensors"
WEIGHTS = ("config.json", "model*.safetensors*")


def shadow(model: Any, params: "WeightAveraging | None") -> Any:
    """Return torch's AveragedModel with an exponential moving average, or None where it is off."""
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    if params is None or params.kind != "ema":
        return None
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(params.decay or 0.0))


def save(average: Any, folder: Path) -> None:
    """Write the average of a checkpoint; nothing where there is none."""
    from safetensors.torch import save_model

    if average is not None:
        save_model(average, str(folder / FILE))


def load(average: Any, folder: Path) -> None:
    """Read back what `save` wrote."""
    from safetensors.torch import load_model

    if average is not None:
        load_model(average, str(folder / FILE))


def mean(folders: list[Path], target: Path) -> None:
    """Write to `target` a config and the mean of the folders' weights; of one, a copy.

    Sums are in float64; integers (positions and the like) are those of the last folder. A CRF's
    transitions stand in config.json too.
    """
    target.mkdir(parents=True, exist_ok=True)
    for file in [file for pattern in WEIGHTS for file in folders[-1].glob(pattern)]:
        shutil.copyfile(file, target / file.name)
    assert (target / "config.json").exists(), f"{folders[-1]} holds no weights"
    if len(folders) > 1:
        _mix(folders, target)


def _mix(folders: list[Path], target: Path) -> None:
    import torch
    from safetensors import safe_open
    from safetensors.torch import save_file

    files = [safe_open(str(folder / "model.safetensors"), "pt") for folder in folders]
    found = {}
    for name in files[-1].keys():  # noqa: SIM118 (not a mapping)
        tensors = [file.get_tensor(name) for file in files]
        kind = tensors[-1].dtype
        if kind.is_floating_point:
            found[name] = torch.stack([t.double() for t in tensors]).mean(0).to(kind)
        else:
            found[name] = tensors[-1]
    save_file(found, str(target / "model.safetensors"), files[-1].metadata())
    if "transitions" in found:
        config = artifacts.read_json(target / "config.json")
        config["transitions"] = found["transitions"].double().tolist()
        artifacts.write_json(target / "config.json", config)
