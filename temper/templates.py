"""A Jinja template → text."""

import math
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
    environment.globals["ticks"] = ticks
    return environment.get_template(file.name).render(**values)


def ticks(low: float, high: float, count: int = 5) -> list[tuple[float, str]]:
    """Return about `count` round numbers from low to high, and each as text, for an axis."""
    rough = (high - low) / count
    if not rough > 0:
        return [(low, f"{low:g}")]
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * power >= 0.7 * rough)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    digits += step * 10**digits % 1 > 1e-6  # of 0.25
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    style = f",.{digits}f" if step >= 1e-3 else ".3g"
    return [(i * step, format(i * step, style)) for i in range(first, last + 1)]
