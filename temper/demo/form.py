"""A task's inputs → the fields of the page; the page's values → a result that it draws.

A field is `text`, `line` (a short text), `words` (a text whose words are separated by spaces),
`choices` (a list), `messages`, `image` or `audio`. The kind of a result says how it is drawn:
`bars`, `entities`, `answer` or `text`.
"""

from collections.abc import Mapping
from typing import Any

from temper.core.errors import InputError
from temper.ingest.columns import ColumnBatch, get_column, read_inputs, texts_of
from temper.params.task import MultipleChoice, QuestionAnswering, TokenClassification
from temper.params.task_schema import MEDIA, TaskSchema
from temper.prediction.predictor import Predictor
from temper.prediction.profile import SCORE
from temper.prediction.requests import file_bytes
from temper.serving.service import MAX_TEXT
from temper.tasks.base import Task, label_predictions

WHERE = "the form"
NOTHING = "there is nothing to predict: fill in the form"


def fields(task: TaskSchema) -> list[dict[str, str]]:
    """Return the name and kind of each field, in the order of the task's inputs."""
    kinds = {"texts": "words" if isinstance(task, TokenClassification) else "choices"}
    if isinstance(task, MultipleChoice):
        kinds["text"] = "line"
    return [
        {"name": name, "kind": kinds.get(input_type, input_type)}
        for name, input_type in task.inputs.items()
    ]


def answer(predictor: Predictor, values: Mapping[str, Any]) -> dict[str, Any]:
    """Predict one example, and return what the page draws of it.

    Args:
        predictor: of the model.
        values: by field; an image or a clip is a data URL, as a browser reads a file.

    Raises:
        InputError: a value is missing, empty or cannot be read.
    """
    task = predictor.task
    kinds = task.params.inputs
    given = {name: [read_value(name, v, kinds.get(name))] for name, v in values.items()}
    for name in task.params.inputs:
        if kinds[name] == "messages" and given.get(name) == [[]]:
            raise InputError(NOTHING)
        get_column(given, name, WHERE)
    example = read_inputs(given, task.params.inputs, lambda name: lambda _: f"{WHERE}, {name}")
    for name, kind in task.params.inputs.items():
        if kind == "texts" and not example[name][0]:
            raise InputError(f"{name} is empty")
        texts = [] if kind in MEDIA else texts_of(example[name][0])
        if (size := sum(map(len, texts))) > MAX_TEXT:
            raise InputError(
                f"{name}: a text of {size:,} characters; at most {MAX_TEXT:,} are read here"
            )
    if not any(column[0] for column in example.values()):
        raise InputError(NOTHING)
    return result(task, example, predictor.predict(example))


def read_value(name: str, value: Any, kind: str | None) -> Any:
    """Return a value of the form, the bytes of an image or a clip for its data URL.

    Raises:
        InputError: the data URL is damaged.
    """
    if kind not in MEDIA or not isinstance(value, str) or not value.startswith("data:"):
        return value
    return file_bytes(value.partition(";base64,")[2], name)


def result(task: Task, example: ColumnBatch, predicted: Mapping[str, list]) -> dict[str, Any]:
    """Return what the page draws of one row of `Predictor.predict`.

    Args:
        task: the model's.
        example: the inputs, columns of one row.
        predicted: the columns of one row that `temper predict` adds.
    """
    row = {name: column[0] for name, column in predicted.items()}
    params, prediction = task.params, row["prediction"]
    if "entities" in row:
        (words,) = example.values()
        return {"kind": "entities", "words": words[0], "entities": row["entities"]}
    if isinstance(params, MultipleChoice):
        columns = [example[name][0] for name in params.choices]
        choices = columns[0] if len(columns) == 1 else columns
        bars = [
            {"label": text, "score": score, "chosen": i == prediction}
            for i, (text, score) in enumerate(zip(choices, row["scores"], strict=True))
        ]
        return {"kind": "bars", "headline": row["choice"], "bars": bars}
    if any(name.startswith(SCORE) for name in row):
        several = params.target_type == "classes"
        separator = label_predictions.label_separator(params)
        chosen, none = prediction.split(separator) if several else [prediction], "no label"
        if row.get(label_predictions.ABSTAINED):
            none = "no answer: the model is not sure enough"
        bars = [
            {"label": label, "score": row[SCORE + label], "chosen": label in chosen}
            for label in task.label_names
        ]
        bars.sort(key=lambda bar: -bar["score"])
        return {"kind": "bars", "headline": ", ".join(chosen) or none, "bars": bars}
    if isinstance(params, QuestionAnswering):
        context = example[params.context][0]
        return {"kind": "answer", "headline": prediction or "no answer", "context": context,
                "answer": prediction}  # fmt: skip
    return {"kind": "text", "headline": str(prediction)}
