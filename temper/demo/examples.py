"""The worst rows of an evaluation, as the form takes them.

Their inputs come from data/raw: data/evaluation/worst.csv holds images small, clips short and lists
as text. A row is offered only if both say the same of it, and the weights are those that were
evaluated.
"""

import base64
import io
import sys
from pathlib import Path
from typing import Any

from temper import tracking
from temper.core import arrow, artifacts, csv_file
from temper.evaluation import tables
from temper.params.task_schema import MEDIA, TaskSchema

MAX_CHARACTERS = 2_000_000  # of an example, images in base64 included; longer ones are left out


def load(model: Path, evaluation: Path, task: TaskSchema, count: int) -> list[dict[str, Any]]:
    """Return up to `count` rows with the highest loss, worst first; none without an evaluation.

    Where an evaluation is not this model's or not of these rows, stderr says so.

    Args:
        model: what the export stage wrote.
        evaluation: data/evaluation; the rows and the weights that were evaluated are in `raw` and
            `model` beside it.
        task: of the model.
        count: how many.

    Returns:
        of each its `values` by field, `reference` and `prediction`, as the evaluation has them.
    """
    table, raw = evaluation / "worst.csv", evaluation.with_name("raw")
    if not count or not table.exists() or not raw.is_dir():
        return []
    if tracking.model_sha256(model) != tracking.model_sha256(evaluation.with_name("model")):
        print(f"no examples: {table} is not known to be of the model {model}", file=sys.stderr)
        return []
    split = "test" if "test" in artifacts.read_json(evaluation / "metrics.json") else "validation"
    rows: Any = arrow.load(raw).get(split, ())
    examples, num_others = [], 0
    with table.open(newline="", encoding="utf-8") as file:
        for line in csv_file.dict_reader(file):
            number = int(line["row"])
            row = rows[number] if number < len(rows) else {}
            if not is_listed(row, line, task):
                num_others += 1
                continue
            values = {name: as_value(row[name], kind) for name, kind in task.inputs.items()}
            if sum(map(len, values.values())) <= MAX_CHARACTERS:
                texts = {name: line[name] for name in ("reference", "prediction")}
                examples.append({"values": values, "split": split, **texts})
            if len(examples) == count:
                break
    if num_others:
        print(f"{num_others} rows of {table} are others in {raw}, and left out", file=sys.stderr)
    return examples


def is_listed(row: dict[str, Any], line: dict[str, str], task: TaskSchema) -> bool:
    """Say whether a row of data/raw has the inputs that a line of worst.csv has."""
    if any(row.get(name) is None for name in task.inputs):
        return False
    texts = tables.input_texts(row, task)
    return texts == {name: line.get(name) for name in texts}


def as_value(value: Any, kind: str) -> Any:
    """Return an input as JSON has it, an image or a clip as a data URL."""
    if kind not in MEDIA:
        return value
    media_type = "audio/wav"
    if kind == "image":
        from PIL import Image

        with Image.open(io.BytesIO(value)) as image:
            media_type = image.get_format_mimetype() or "image/png"
    return f"data:{media_type};base64,{base64.b64encode(value).decode()}"
