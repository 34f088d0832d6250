"""Some layers of a checkpoint, bottom first → the weights and the config of a smaller model.

A student that starts from every other layer of a larger model learns faster than one with new
layers (Sanh et al. 2019, DistilBERT).
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from temper.core.errors import InputError
from temper.ingest.model_files import checkpoint_shapes
from temper.models import loading
from temper.models.config import MODEL_TYPE
from temper.params.model import ModelParams

if TYPE_CHECKING:
    from transformers import PretrainedConfig

COUNT = "num_hidden_layers"  # in transformers' configs, some of which also call it n_layer
ONE_PER_LAYER = ("layer_types", "mlp_layer_types", "attention_window")  # lists in a config
NUMBERED = re.compile(r"^(.*?)\.(\d+)\.")  # the first number in a tensor's name


def check(folder: Path, config: "PretrainedConfig", params: ModelParams) -> None:
    """Check `model.layers` against a checkpoint; `config` is its own, without overrides.

    Raises:
        InputError: the model has fewer layers or no list of them, or an override of their number.
    """
    list_of_layers(folder, config, params)
    names, count = type(config).attribute_map, getattr(config, COUNT)
    for i in params.layers or ():
        if i >= count:
            raise InputError(
                f"model.layers: {params.name} has the layers 0 to {count - 1}; found {i}"
            )
    for key in params.config:
        if names.get(key, key) == names.get(COUNT, COUNT):
            raise InputError(f"model.config.{key}: model.layers says how many; remove one of them")


def list_of_layers(folder: Path, config: "PretrainedConfig", params: ModelParams) -> str:
    """Return what comes before the number of a layer in the names of a checkpoint's tensors.

    Raises:
        InputError: the model has no list of layers, or several.
    """
    numbers: defaultdict[str, set[int]] = defaultdict(set)
    for name in checkpoint_shapes(folder):
        if found := NUMBERED.match(name):
            numbers[found[1]].add(int(found[2]))
    count = getattr(config, COUNT, 0)
    lists = [name for name, found in numbers.items() if found == set(range(count))]
    if config.model_type == MODEL_TYPE or config.is_encoder_decoder or len(lists) != 1:
        what = "a custom class or a head of temper's" if config.model_type == MODEL_TYPE else None
        what = what or (f"{len(lists)} lists of {count} layers" if count else "no list of layers")
        what = "an encoder and a decoder" if config.is_encoder_decoder else what
        raise InputError(
            f"model.layers: {params.name} ({config.model_type}) has {what}, and layers can be "
            "chosen from one list of a plain model: remove it"
        )
    return lists[0]


def shorten_config(config: "PretrainedConfig", chosen: Sequence[int]) -> None:
    """Make a config that of the chosen layers alone."""
    count = getattr(config, COUNT)
    values: dict[str, Any] = config.to_dict()
    for key in ONE_PER_LAYER:
        if isinstance(values.get(key), list) and len(values[key]) == count:
            setattr(config, key, [values[key][i] for i in chosen])
    setattr(config, COUNT, len(chosen))


def write_weights(folder: Path, params: ModelParams, target: Path) -> None:
    """Write a checkpoint's tensors without the other layers, numbered from 0, as one file."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    config = loading.open_config(folder, trust_remote_code=params.trust_remote_code)
    prefix = list_of_layers(folder, config, params)
    number_of = {str(old): str(new) for new, old in enumerate(params.layers or ())}
    tensors = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(str(file), "pt") as stored:
            for name in stored.keys():  # noqa: SIM118 (not a mapping)
                new_name = name
                if name.startswith(f"{prefix}."):
                    number, dot, rest = name.removeprefix(f"{prefix}.").partition(".")
                    if dot and number not in number_of:
                        continue
                    new_name = f"{prefix}.{number_of.get(number, number)}{dot}{rest}"
                tensors[new_name] = stored.get_tensor(name)
    target.mkdir()
    save_file(tensors, str(target / "model.safetensors"), metadata={"format": "pt"})
