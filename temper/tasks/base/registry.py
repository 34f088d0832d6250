"""One module per task; `load` finds it by the name in params.yaml."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from temper.core.errors import InputError
from temper.models import loading
from temper.tasks.base import Task

if TYPE_CHECKING:
    from temper.params.schema import Settings


def load(settings: "Settings", types: Mapping[str, Any] | None = None) -> Task:
    """Return the task of `settings.task.name`, its label names from types of tokenized columns."""
    module = import_module(f"temper.tasks.{settings.task.name}")
    classes = [c for c in vars(module).values() if isinstance(c, type) and issubclass(c, Task)]
    task = next(c for c in classes if c.__module__ == module.__name__)(settings)
    task.label_names = task.read_label_names(types or {}) or []
    return task


def load_processor(folder: Path, task: Task) -> Any:
    """Load a processor; a tokenizer without a pad token pads with the end token.

    Raises:
        InputError: a tokenizer that has neither.
    """
    processor = open_processor(folder, task)
    if task.auto_processor == "AutoTokenizer" and processor.pad_token_id is None:
        if processor.eos_token_id is None:
            raise InputError(
                f"{folder}: the tokenizer has neither a pad token nor an end-of-sequence token; "
                "set one of them in its tokenizer_config.json"
            )
        processor.pad_token = processor.eos_token
    return processor


def open_processor(folder: Path, task: Task, **options: Any) -> Any:
    """Load a processor as it is, with what the task asks of it.

    Raises:
        InputError: the folder has no tokenizer; transformers makes one without words then.
    """
    import transformers

    options = {"trust_remote_code": False} | options | dict(task.processor_kwargs)
    if (folder / "config.json").is_file() and loading.is_temper_model(folder):
        options["config"] = loading.open_config(folder)  # else transformers warns of the type
    auto = getattr(transformers, task.auto_processor)
    processor = auto.from_pretrained(str(folder), local_files_only=True, **options)
    if task.auto_processor == "AutoTokenizer":
        special = processor.all_special_tokens
        if len(processor) <= len(special) + 1:  # T5 also has a space
            raise InputError(
                f"{folder} has no tokenizer: without its files (tokenizer.json, or a vocabulary) "
                f"there are only {', '.join(special)}, and every word is unknown; copy them there"
            )
    return processor
