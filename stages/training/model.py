"""data/base and the data's labels → a model with a head of the right width.

Weights come from the checkpoint; what it lacks, or all of it from scratch, is drawn from the seed.
"""

from pathlib import Path
from typing import Any

from stages.tasks.base import Task


def build(base: Path, task: Task, features: Any) -> Any:
    """Return the model on the CPU in fp32, its labels in its config.

    Args:
        base: folder with `weights/config.json` and, unless from scratch, safetensors beside it.
        task: names the AutoModelFor… class and writes labels into its config.
        features: columns of the tokenized data.
    """
    import torch
    import transformers

    folder = base / "weights"
    config = transformers.AutoConfig.from_pretrained(str(folder), local_files_only=True)
    task.configure(config, features)
    auto = getattr(transformers, task.auto_model)
    transformers.logging.disable_progress_bar()
    if not any(folder.glob("*.safetensors")):
        return auto.from_config(config, dtype=torch.float32)
    transformers.logging.set_verbosity_error()  # the new head is in data/base/summary.json
    return auto.from_pretrained(
        str(folder),
        config=config,
        dtype=torch.float32,
        ignore_mismatched_sizes=True,
        use_safetensors=True,
        local_files_only=True,
    )


def save(model: Any, folder: Path) -> None:
    """Write config.json and safetensors, without the path the model came from."""
    model.config._name_or_path = ""
    model.save_pretrained(str(folder), safe_serialization=True)
