"""`task.template`: several columns of a row → one text, as in "{subject}\\n{body}"."""

from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any


def parts(template: str) -> list[tuple[str, str | None]]:
    """Return the texts of a template, each with the column after it; None for the end.

    A column may be called a.b, for the value b inside the objects of column a.
    """
    return [(text, column) for text, column, _, _ in Formatter().parse(template)]


def columns(template: str) -> tuple[str, ...]:
    """Return the columns of a template, in its order."""
    return tuple(column for _, column in parts(template) if column is not None)


def render(template: str, examples: Mapping[str, Sequence[Any]] | Any) -> list[str]:
    """Return the text of each example, from columns of texts."""
    named = columns(template)
    rows = zip(*(examples[name] for name in named), strict=True)
    return [fill(template, dict(zip(named, row, strict=True))) for row in rows]


def fill(template: str, row: Mapping[str, str]) -> str:
    """Return the text of one row."""
    return "".join(text + ("" if name is None else row[name]) for text, name in parts(template))


def around(template: str, row: Mapping[str, str], column: str) -> tuple[str, str]:
    """Return what is before and after a column in the text of one row."""
    before: list[str] = []
    after: list[str] = []
    pieces = before
    for text, name in parts(template):
        pieces.append(text)
        if name == column:
            pieces = after
        elif name is not None:
            pieces.append(row[name])
    return "".join(before), "".join(after)


def check(template: str) -> str:
    """Return the template.

    Raises:
        ValueError: it is not a text with the name of each column in braces.
    """
    try:
        found = [*Formatter().parse(template)]
    except ValueError as error:
        raise ValueError(f"{error}: a brace that is text is written twice, {{{{ or }}}}") from None
    named = [column for _, column, _, _ in found if column is not None]
    for _, column, format_spec, conversion in found:
        if format_spec or conversion:
            raise ValueError(
                f"{{{column}…}} has a ! or :, which would format a value, and values are taken as "
                f"they are: write {{{column}}}; rename a column that is called so with data.rename"
            )
    if not all(named):
        raise ValueError("{} names no column; write its name between the braces")
    if not named:
        raise ValueError("names no column; write its name in braces, as in {subject}")
    twice = sorted({column for column in named if named.count(column) > 1})
    if twice:
        raise ValueError(f"names {', '.join(twice)} twice")
    return template
