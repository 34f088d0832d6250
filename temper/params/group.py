"""What the groups of params.yaml are made of: their base class and the types of their values."""

from dataclasses import dataclass
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from temper.core import names


class Group(BaseModel):
    """A group of parameters: frozen, strict types, finite numbers, unknown keys refused.

    A key with a default is a technique or an exception that is off where it is absent. Its
    docstring ends with "Absent: …" (see `temper.params_reference`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Unit:
    """What a number counts, for docs/parameters.md."""

    name: str


Name = Annotated[str, Field(min_length=1)]
FileName = Annotated[
    str, AfterValidator(names.check), WithJsonSchema({"type": "string", "pattern": names.PATTERN})
]
Columns = tuple[Name, ...]
Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # numpy takes no larger one
Tokens = Annotated[Positive, Unit("tokens")]
Examples = Annotated[Positive, Unit("examples")]
Steps = Annotated[Positive, Unit("optimizer steps")]
Characters = Annotated[Count, Unit("characters")]


def groups_of(annotation: Any) -> list[type[Group]]:
    """Return the groups that a field's type allows: itself, one of a union, values of a dict."""
    if isinstance(annotation, type) and issubclass(annotation, Group):
        return [annotation]
    return [group for inner in get_args(annotation) for group in groups_of(inner)]
