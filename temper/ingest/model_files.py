"""A model folder's config.json and safetensors: whole, or one error that names the file."""

from pathlib import Path

from temper.core import artifacts
from temper.core.errors import InputError

GIT_LFS = b"version https://git-lfs"  # begins a pointer that stands for a file
TEXT_FILES = ("*.json", "*.txt", "*.model", "*.spm")  # configs and vocabularies


def check(folder: Path, name: str, *, needs_weights: bool = True) -> bool:
    """Check config.json and the weights; say whether the model needs code in its repository.

    Raises:
        InputError: no config.json, no safetensors, one of the files is damaged or a pointer, or the
            weights are quantized.
    """
    file = folder / "config.json"
    if not file.is_file():
        adapter = folder / "adapter_config.json"
        is_adapter = "; it is an adapter: merge it into its base model, and take that"
        raise InputError(
            f"model {name}: {folder} has no config.json{is_adapter if adapter.exists() else ''}"
        )
    for text_file in sorted(p for pattern in TEXT_FILES for p in folder.glob(pattern)):
        if is_pointer(text_file):  # a pointer read as a vocabulary makes every word unknown
            raise InputError(f"{text_file}: {describe_damage(text_file)}")
    try:
        config = artifacts.read_json(file)
    except (ValueError, RecursionError) as error:
        damage = describe_damage(file, error)
        raise InputError(f"model {name}: {file} is no JSON: {damage}") from error
    if not isinstance(config, dict):
        kind = "a list" if isinstance(config, list) else "one value"
        raise InputError(f"model {name}: {file}: expected keys and values, found {kind}")
    if quantization := config.get("quantization_config"):
        method = quantization.get("quant_method") if isinstance(quantization, dict) else None
        raise InputError(
            f"model {name}: its weights are quantized ({method or quantization}), which {file} "
            "says, and temper does not read those: take the checkpoint that it was made from"
        )
    if needs_weights:
        _check_weights(folder, name)
    return "auto_map" in config


def _check_weights(folder: Path, name: str) -> None:
    """Check that a folder's safetensors are whole, and that its index names no other file."""
    for index in sorted(folder.glob("*.safetensors.index.json")):
        try:
            shards = sorted(set(artifacts.read_json(index)["weight_map"].values()))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{index}: not an index of tensors; download it again") from error
        missing = [shard for shard in shards if not (folder / shard).is_file()]
        if missing:
            raise InputError(
                f"{index}: {len(missing)} of {len(shards)} files are missing, such as "
                f"{folder / missing[0]}; download them"
            )
    if not any(folder.glob("*.safetensors")):
        pickled = [p.name for glob in ("*.bin", "*.pt*") for p in sorted(folder.glob(glob))]
        found = f"only {', '.join(pickled)}, which can run code when loaded" if pickled else "none"
        raise InputError(
            f"model {name}: weights must be safetensors, found {found} in {folder}; convert them, "
            "or train one with model.from_scratch: true"
        )
    checkpoint_shapes(folder)


def checkpoint_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor in the folder's safetensors, without loading the tensors.

    Raises:
        InputError: a file is cut off, empty, or a git-lfs pointer.
    """
    from safetensors import SafetensorError, safe_open

    shapes = {}
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(str(file), "np") as tensors:
                for name in tensors.keys():  # noqa: SIM118 (not a mapping)
                    shapes[name] = tuple(tensors.get_slice(name).get_shape())
        except SafetensorError as error:
            raise InputError(f"{file}: {describe_damage(file, error)}") from error
    return shapes


def is_pointer(file: Path) -> bool:
    """Say whether a file is a git-lfs pointer."""
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        return opened.read(len(GIT_LFS)) == GIT_LFS


def describe_damage(file: Path, error: Exception | None = None) -> str:
    """Say why a file of a model cannot be read."""
    size = file.stat().st_size
    if is_pointer(file):
        return f"a git-lfs pointer of {size} bytes, not the file itself; run git lfs pull"
    return f"damaged, {size} bytes ({error}); download it again"
