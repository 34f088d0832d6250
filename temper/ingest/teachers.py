"""A model's folder → whether it can teach a task, and which of its outputs is which label."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from temper.core import artifacts
from temper.core.errors import InputError, summary
from temper.ingest import base_model, base_tokenizer, weights
from temper.models import loading
from temper.models.config import ModelWithHeadConfig
from temper.tasks.base import Task, registry

ORIGIN_FILE = "origin.json"  # beside a teacher: its name, and the commit of one of the Hub


def check(folder: Path, name: str, task: Task) -> None:
    """Check that a model has everything its predictions need.

    Raises:
        InputError: files are missing or need code; or the model is untrained for the task.
    """
    base_model.check_inference_model(folder, name)
    config = loading.open_config(folder)
    if getattr(config, "custom_class", None) is not None:
        raise InputError(f"{name} is of a custom class, {config.custom_class}, which cannot teach")
    if (getattr(config, "head", None) or {}).get("crf"):
        raise InputError(f"{name} has a CRF, whose logits are no probabilities of tags")
    wanted, found = getattr(task.params, "problem_type", None), config.problem_type
    if wanted is not None and found not in (None, wanted):
        raise InputError(f"{name} was trained for {found}, and task.problem_type is {wanted}")
    new = weights.compare_weights(folder, config, task.auto_model)["new"]
    if new:
        raise InputError(
            f"{name} was not trained for {task.params.name}: it lacks {', '.join(new)}"
        )


def open_processor(folder: Path, name: str, task: Task) -> Any:
    """Load a teacher's tokenizer or image processor.

    Raises:
        InputError: there is none, it is of another model, or `tokenize.max_length` is more tokens
            than the model has positions for.
    """
    config = loading.open_config(folder)
    try:
        processor = registry.load_processor(folder, task)
        if task.auto_processor == "AutoTokenizer":
            inner = config.backbone_config() if isinstance(config, ModelWithHeadConfig) else config
            base_tokenizer.fit(processor, inner, name)
            task.check_length(processor, config)
    except Exception as error:  # each processor class raises errors of its own
        raise InputError(f"{name} as a teacher: {summary(error):.400}") from error
    return processor


def order_of_labels(folder: Path, name: str, labels: Sequence[str] | None) -> list[int]:
    """Return the position of each label of the data among a teacher's outputs.

    Args:
        labels: in the order of their ids; None for a number.

    Raises:
        InputError: the teacher has others.
    """
    config = artifacts.read_json(folder / "config.json")
    by_id: dict[str, Any] = config.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}
    names = [str(by_id[key]) for key in sorted(by_id, key=int)]
    if labels is None:
        if len(names) != 1:
            raise InputError(f"{name} has {len(names)} outputs, and a number needs one")
        return [0]
    if sorted(names) != sorted(labels):
        raise InputError(
            f"{name} has the labels {', '.join(names[:10])}; the data's are "
            f"{', '.join(labels[:10])}: use a model of these, or name them in id2label of "
            "a local copy's config.json"
        )
    return [names.index(label) for label in labels]
