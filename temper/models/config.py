"""The config of a model that only temper can build: a backbone's config and what is put on it."""

from typing import Any

from transformers import AutoConfig, PretrainedConfig

MODEL_TYPE = "temper"


class ModelWithHeadConfig(PretrainedConfig):
    """Labels as in every config, and:

    Args:
        backbone: transformers' config of the model below the head, as a dict.
        head: `model.head` of params.yaml, or None.
        custom_class: `model.custom_class` of params.yaml, or None.
        transitions: of a trained CRF, (labels + 2, labels), rows from each label, the start, and
            the scores of ending in each label; None without one.
    """

    model_type = MODEL_TYPE

    def __init__(
        self,
        backbone: dict[str, Any] | None = None,
        head: dict[str, Any] | None = None,
        custom_class: str | None = None,
        transitions: list[list[float]] | None = None,
        **more: Any,
    ):
        self.custom_class = custom_class or more.pop("own", None)  # "own": written by temper 0.1
        self.backbone, self.head, self.transitions = backbone, head, transitions
        super().__init__(**more)

    def backbone_config(self) -> Any:
        """Return the backbone's config, with the labels of this one."""
        config = AutoConfig.for_model(**(self.backbone or {}))
        config.id2label, config.label2id = self.id2label, self.label2id
        return config


def wrap_config(
    config: Any, head: dict[str, Any] | None, custom_class: str | None
) -> ModelWithHeadConfig:
    """Return the config of a head, or a class of the user's, on a backbone."""
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
