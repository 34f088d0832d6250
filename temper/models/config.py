"""The config of a model that only temper can build: its backbone's config and what is on top."""

from typing import Any

from transformers import AutoConfig, PretrainedConfig

MODEL_TYPE = "temper"


class ModelWithHeadConfig(PretrainedConfig):
    """Config of a backbone under a temper head, or of a custom class.

    Args:
        backbone: transformers' config of the backbone, as a dict.
        head: `model.head` of params.yaml, or None.
        custom_class: `model.custom_class` of params.yaml, or None.
        transitions: scores of a trained CRF, (labels + 2, labels): one row per previous label, then
            starting in and ending in each label; None without a CRF.
    """

    model_type = MODEL_TYPE

    def __init__(
        self,
        backbone: dict[str, Any] | None = None,
        head: dict[str, Any] | None = None,
        custom_class: str | None = None,
        transitions: list[list[float]] | None = None,
        **kwargs: Any,
    ):
        self.custom_class = custom_class or kwargs.pop("own", None)  # "own": written by temper 0.1
        self.backbone, self.head, self.transitions = backbone, head, transitions
        super().__init__(**kwargs)

    def backbone_config(self) -> PretrainedConfig:
        """Return the backbone's config with this config's labels."""
        config = AutoConfig.for_model(**(self.backbone or {}))
        config.id2label, config.label2id = self.id2label, self.label2id
        return config


def wrap_config(
    config: PretrainedConfig, head: dict[str, Any] | None, custom_class: str | None
) -> ModelWithHeadConfig:
    """Put a head or a custom class on a config; the head of a wrapped config is replaced."""
    inner = config.backbone if isinstance(config, ModelWithHeadConfig) else config.to_dict()
    backbone = {key: value for key, value in (inner or {}).items() if key != "_name_or_path"}
    labels = {"id2label": config.id2label, "label2id": config.label2id}
    return ModelWithHeadConfig(
        backbone=backbone,
        head=head,
        custom_class=custom_class,
        problem_type=config.problem_type,
        **labels,
    )
