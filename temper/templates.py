"""A Jinja template → text."""

from pathlib import Path
from typing import Any

SHARED = Path(__file__).with_name("evaluation")  # holds page.html.j2, which every page imports


def render(file: Path, *, autoescape: bool = True, **values: Any) -> str:
    """Render a template.

    Raises:
        jinja2.UndefinedError: the template uses a name that `values` lacks.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([file.parent, SHARED]),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(file.name).render(**values)
