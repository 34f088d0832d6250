"""A file becomes any model, or an error with each mistake at its line."""

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from temper.core import validation
from temper.core.errors import InputError


class Group(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Circle(Group):
    kind: Literal["circle"]
    radius: float


class Square(Group):
    kind: Literal["square"]
    side: Annotated[int, Field(ge=1)] | Literal["unit"]


class Drawing(Group):
    shape: Annotated[Circle | Square, Field(discriminator="kind")]
    colours: dict[str, tuple[int, ...]] = {}
    inner: Circle | None = None


def mistakes(tmp_path, text):
    """Return the lines of the error, without their file."""
    file = tmp_path / "drawing.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        validation.load(file, Drawing, lambda drawing: (), page="docs/drawing.md")
    heading, *lines = str(caught.value).splitlines()
    assert heading.endswith(f"mistake{'s' * (len(lines) > 1)} in {file} (see docs/drawing.md)")
    return [line.removeprefix(f"  {file}:") for line in lines]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("shape: {kind: circle}\n", ["1: shape.radius: missing; it has no default"]),
        (
            "shape:\n  kind: cicle\n",
            ["2: shape.kind: no shape 'cicle' (did you mean 'circle'?); there are circle, square"],
        ),
        ("shape: {}\n", ["1: shape.kind: missing; there are circle, square"]),
        (
            "shape:\n  kind: square\n  side: 0\n",
            [
                "3: shape.side: Input should be greater than or equal to 1; found 0, or: "
                "Input should be 'unit'; found 0"
            ],
        ),
        (
            "shape: {kind: circle, radius: 1}\ninner:\n  kind: circle\n  radus: 1\n",
            [
                "2: inner.radius: missing; it has no default",
                "4: inner.radus: unknown key (did you mean 'radius'?); allowed: kind, radius",
            ],
        ),
        (
            "shape: {kind: circle, radius: 1}\ncolours:\n  red: [1, x]\n  red: []\n",
            ["4: red: duplicate key 'red'"],
        ),
        (
            "shape: {kind: circle, radius: 1}\ncolours:\n  red:\n  - 1\n  - x\n",
            ["5: colours.red.1: Input should be a valid integer; found 'x'"],
        ),
    ],
)
def test_names_each_mistake_at_its_line(tmp_path, text, lines):
    """With the keys of the file: what pydantic calls the members of a union is left out."""
    assert mistakes(tmp_path, text) == lines


def test_rules_are_asked_about_valid_values_alone(tmp_path):
    """Each message stands at its key."""

    def rules(drawing):
        yield ("shape", "radius"), "too small"

    model, found = validation.check({"shape": {"kind": "circle", "radius": 1}}, Drawing, rules)
    assert model is not None
    assert found == [(("shape", "radius"), "too small")]
    assert validation.check({"shape": {"kind": "circle"}}, Drawing, rules)[0] is None
