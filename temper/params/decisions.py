"""Keys of `evaluate` that turn probabilities into decisions: an operating point, abstention."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from temper.params.group import Group, Name

Probability = Annotated[float, Field(gt=0, lt=1)]
Target = Annotated[float, Field(gt=0, le=1)]


class Decision(Group):
    """A threshold, or what it has to reach on validation, which evaluate turns into one."""

    key: ClassVar[str]
    targets: ClassVar[tuple[str, ...]]
    threshold: Probability | None = None
    """The threshold itself, which an export has in place of the target. Absent: a target is
    given."""

    @property
    def target(self) -> tuple[str, float] | None:
        """Name and value of what is to be reached; None where the threshold is given."""
        values = {name: getattr(self, name) for name in self.targets}
        return next(((k, v) for k, v in values.items() if v is not None), None)

    @model_validator(mode="after")
    def _check_one_is_given(self) -> Self:
        names = (*self.targets, "threshold")
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"{self.key} needs exactly one of {', '.join(names)}; found "
                f"{' and '.join(given) or 'none'}"
            )
        return self


class OperatingPoint(Decision):
    key: ClassVar[str] = "operating_point"
    targets: ClassVar[tuple[str, ...]] = ("precision", "recall", "false_positive_rate")
    label: Name
    """The label that is predicted from a threshold of its probability on; below it, the likeliest
    of the other labels is (with several labels per row: this one is not)."""
    precision: Target | None = None
    """Smallest precision of the label; of the thresholds that reach it, the one with the highest
    recall is taken. Absent: another target."""
    recall: Target | None = None
    """Smallest recall; the one with the highest precision is taken. Absent: another target."""
    false_positive_rate: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Largest share of the rows of other labels; the one with the highest recall is taken.
    Absent: another target."""


class Abstain(Decision):
    key: ClassVar[str] = "abstain"
    targets: ClassVar[tuple[str, ...]] = ("accuracy", "coverage")
    accuracy: Target | None = None
    """Smallest accuracy of the answered rows; the threshold that answers most rows is taken.
    Absent: another target."""
    coverage: Target | None = None
    """Smallest share of answered rows; the threshold with the highest accuracy is taken. Absent:
    another target."""
