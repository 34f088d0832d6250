"""Custom functions and classes that return the wrong kind of thing."""

from tests.promises.bad_input import BadInput

CODE = """
import sys
import torch
from transformers import TrainerCallback


def none(*arguments):
    return None


def fails(*arguments):
    print("a word")
    raise KeyError("x")


def quits(*arguments):
    sys.exit(0)


def vector(logits, labels):
    return torch.nn.functional.cross_entropy(logits, labels, reduction="none")


def detached(logits, labels):
    return torch.tensor(1.0)


def empty(rows, collate):
    return {}


def fewer(rows, collate):
    return {name: values[:3] for name, values in collate(rows).items()}


def tensors(rows, collate):
    return {name: torch.from_numpy(values) for name, values in collate(rows).items()}


def lose(examples, processor, encode):
    return encode({name: values[:3] for name, values in examples.items()})


def ragged(examples, processor, encode):
    return encode(examples) | {"labels": [1]}


def unknown(examples, processor, encode):
    columns = encode(examples)
    return columns | {"mood": columns["length"]}


def text(predictions, references):
    return "good"


class Plain:
    pass


class Needs(TrainerCallback):
    def __init__(self, path):
        pass
"""


def custom(key: str, function: str, *says: str) -> BadInput:
    value = [f"mine.{function}"] if key in ("train.callbacks", "evaluate.metrics") else None
    return BadInput(
        name=f"{key.partition('.')[2]}_{function}",
        changes={"code": {"mine": "mine.py"}, key: value or f"mine.{function}"},
        files={"mine.py": CODE},
        says=("params.yaml:", f"{key}: ", *says),
    )


FAILS = ("mine.py:13: fails when called: KeyError: 'x'",)
CASES = [
    custom("train.loss", "none", "must return one number", "as a tensor; found None"),
    custom("train.loss", "vector", "must return one number", "an array of shape (16,)"),
    custom("train.loss", "detached", "returns a number without a gradient"),
    custom("train.loss", "fails", *FAILS),
    custom("train.loss", "quits", "mine.py:17: fails when called: SystemExit: 0"),
    custom("train.collator", "empty", "labels among them; found nothing in a dict"),
    custom("train.collator", "none", "labels among them; found None"),
    custom("train.collator", "fewer", "must return each row; found labels of 3 of 16 rows"),
    custom("train.collator", "tensors", "must return numpy arrays; input_ids is"),
    custom("train.collator", "fails", *FAILS),
    custom("tokenize.encode", "none", "must return the columns of encode(examples); found None"),
    custom("tokenize.encode", "lose", "must return every row; found 3 of 16", "data.filter"),
    custom("tokenize.encode", "ragged", "must return columns of one length", "labels 1"),
    custom("tokenize.encode", "unknown", "returned an unknown column 'mood'; known columns: "),
    custom("tokenize.encode", "fails", *FAILS),
    custom("evaluate.metrics", "text", "text fails", "could not convert string to float"),
    custom("evaluate.metrics", "none", "none fails", "not 'NoneType'"),
    custom("train.metric_for_best_model", "text", "text fails", "could not convert string"),
    custom("train.optimizer", "none", "must return a torch optimizer; found None"),
    custom("train.optimizer", "fails", *FAILS),
    custom("train.callbacks", "none", "must be a class, a transformers.TrainerCallback"),
    custom("train.callbacks", "Plain", "must be a class", "found the class Plain"),
    custom("train.callbacks", "Needs", "is constructed without arguments, and needs path"),
    custom("model.custom_class", "none", "must be a torch.nn.Module; found a function"),
    custom("model.custom_class", "Plain", "must be a torch.nn.Module; found the class Plain"),
    BadInput(
        name="syntax",
        changes={"code": {"mine": "mine.py"}, "train.loss": "mine.loss"},
        files={"mine.py": "def loss(:\n"},
        says=("params.yaml:", "train.loss", "mine.py fails when it is imported: SyntaxError"),
    ),
    BadInput(
        name="quits_when_imported",
        changes={"code": {"mine": "mine.py"}, "train.loss": "mine.loss"},
        files={"mine.py": "import sys\nsys.exit(0)\n"},
        says=("params.yaml:", "train.loss", "mine.py fails when it is imported: SystemExit"),
    ),
    BadInput(
        name="not_python",
        changes={"code": {"mine": "mine.txt"}, "train.loss": "mine.loss"},
        files={"mine.txt": "hello\n"},
        says=("params.yaml:", "train.loss", "mine.txt", "not a Python file"),
    ),
]
