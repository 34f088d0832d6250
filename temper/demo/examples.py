"""The worst rows of an evaluation, as the form takes them.

Their inputs come from data/raw: data/evaluation/worst.csv holds images small and lists as text.
"""

import base64
import csv
import io
from pathlib import Path
from typing import Any

from temper.core import arrow, artifacts

MAX_CHARACTERS = 2_000_000  # of an example, images in base64 included; longer ones are left out


def load(evaluation: Path, raw: Path, inputs: dict[str, str], count: int) -> list[dict[str, Any]]:
    """Return up to `count` rows with the highest loss, worst first; none without an evaluation.

    Args:
        evaluation: data/evaluation.
        raw: data/raw, the rows that were evaluated.
        inputs: column → kind, as in `TaskSchema.inputs`.
        count: how many.

    Returns:
        of each its `values` by field, `reference` and `prediction`, as the evaluation has them.
    """
    table = evaluation / "worst.csv"
    if not count or not table.exists() or not raw.is_dir():
        return []
    split = "test" if "test" in artifacts.read_json(evaluation / "metrics.json") else "validation"
    rows = arrow.load(raw)[split]
    examples = []
    with table.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            row = rows[int(line["row"])]
            values = {name: as_value(row[name], kind) for name, kind in inputs.items()}
            if sum(map(len, values.values())) <= MAX_CHARACTERS:
                texts = {name: line[name] for name in ("reference", "prediction")}
                examples.append({"values": values, "split": split, **texts})
            if len(examples) == count:
                break
    return examples


def as_value(value: Any, kind: str) -> Any:
    """Return an input as JSON has it, an image as a data URL."""
    if kind != "image":
        return value
    from PIL import Image

    with Image.open(io.BytesIO(value)) as image:
        media_type = image.get_format_mimetype() or "image/png"
    return f"data:{media_type};base64,{base64.b64encode(value).decode()}"
