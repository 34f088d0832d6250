"""Checks that need the network of params.yaml, which is built without allocating weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from temper import params
from temper.check.findings import Findings
from temper.core.errors import InputError
from temper.params.train import Freeze
from temper.tasks.base import Task

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from temper.training.networks import Model


def check(
    parameters: params.Params, config: "PretrainedConfig", task: Task, findings: Findings
) -> None:
    """Report a head that does not fit the task, and layers or modules that do not exist.

    A custom class is left to the training, since its `__init__` may do anything; a checkpoint that
    is used as it is, to the comparison of its weights, which builds the network too.
    """
    from temper.models.config import ModelWithHeadConfig
    from temper.training import lora, networks, optimizer

    p, model, network = parameters.train, parameters.model, None
    options = (model.from_scratch, model.config, model.head, model.lora, p.freeze != Freeze())
    options += (p.layer_decay < 1, p.head_learning_rate, isinstance(config, ModelWithHeadConfig))
    if not any(options):
        return
    with findings.at("model.head"):
        networks.has_crf(config, parameters)
        with findings.at("model.config"):
            network = build_network(config, task, parameters)
    if network is None:
        return
    with findings.at("train.freeze.layers"):
        optimizer.freeze(network, p.freeze)
    if model.lora is not None:
        with findings.at("model.lora"):
            lora.lora_targets(network, model)
    if p.layer_decay < 1:
        with findings.at("train.layer_decay"):
            optimizer.parameter_groups(network, p.model_copy(update={"head_learning_rate": None}))
    if p.head_learning_rate is not None:
        with findings.at("train.head_learning_rate"):
            optimizer.parameter_groups(network, p.model_copy(update={"layer_decay": 1.0}))


def build_network(
    config: "PretrainedConfig", task: Task, parameters: params.Params
) -> "Model | None":
    """Build the network to train on the meta device; None for a custom class.

    Raises:
        InputError: transformers cannot build it, or the head does not fit.
    """
    import torch

    from temper.ingest.weights import build_meta_model
    from temper.models import heads
    from temper.models.config import wrap_config
    from temper.training import networks

    if parameters.model.custom_class is not None:
        return None
    head = networks.trained_head(config, parameters.model)
    with buildable(config, task):
        if head is None:
            return cast("Model", build_meta_model(config, task.auto_model))
        with torch.device("meta"):
            with_head = wrap_config(config, head.model_dump(exclude_none=True), None)
            return heads.build(with_head, None, None)


@contextmanager
def buildable(config: "PretrainedConfig", task: Task) -> Iterator[None]:
    """Name the config where the block builds its network and fails.

    Raises:
        InputError: it does.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # a model's __init__ may raise anything
        raise InputError(
            f"model.config: transformers cannot build this {config.model_type} for "
            f"{task.auto_model}: {type(error).__name__}: {error}"
        ) from error
