"""A Jinja template of this project → text."""

from pathlib import Path
from typing import Any


def render(file: Path, *, autoescape: bool = True, **values: Any) -> str:
    """Return a template with its values filled in; a value it lacks is an error.

    Args:
        file: the template.
        autoescape: for HTML.
        values: by the names the template uses.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(file.parent),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(file.name).render(**values)
