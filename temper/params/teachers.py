"""The parameters of distillation: how far a training follows its teachers."""

from pydantic import Field

from temper.params.group import Group


class Distillation(Group):
    weight: float = Field(gt=0, le=1)
    """Share of the teachers in the loss; the labels have the rest."""
    temperature: float = Field(default=1.0, gt=0)
    """Divides the logits of both, so that the teachers' small probabilities count more. Absent:
    1."""
