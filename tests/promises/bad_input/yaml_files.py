"""params.yaml that is not a plain file of keys and values."""

import os
import shutil
from pathlib import Path

from tests.helpers.workspace import ROOT
from tests.promises.bad_input import BadInput, changed

TESTS = (ROOT / "tests/params.yaml").read_text(encoding="utf-8")
LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)
)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def data_pipe(path: Path) -> None:
    os.mkfifo(path)


def whole(name: str, text: str, *says: str) -> BadInput:
    """Return a case that is the whole of params.yaml."""
    return BadInput(name=name, params_yaml=text, says=("params.yaml", *says))


def after(name: str, text: str, *says: str) -> BadInput:
    """Return a case that adds lines to the tests' params.yaml."""
    return whole(name, f"{TESTS}{text}\n", *says)


def instead(name: str, old: str, new: str, *says: str) -> BadInput:
    """Return a case with another text in the tests' params.yaml."""
    assert old in TESTS
    return whole(name, TESTS.replace(old, new), *says)


CASES = [
    whole("empty", "", "expected keys and values, found none"),
    whole("comments_only", "# nothing\n", "expected keys and values, found none"),
    whole("list", "- a\n- b\n", "expected keys and values, found a list"),
    whole("one_value", "hello\n", "expected keys and values, found one value"),
    whole("no_groups", "seed: 1\n", "task: missing", "data: missing", "train: missing"),
    whole("open_bracket", "seed: [1\n", "params.yaml:", "not YAML"),
    whole("tab", "task:\n\tname: x\n", "params.yaml:2: not YAML", "cannot start any token"),
    whole("two_documents", "seed: 1\n---\nseed: 2\n", "params.yaml:2: not YAML", "single document"),
    whole("control_character", "seed: \x01\n", "not YAML", "x0001"),
    whole("unknown_alias", "seed: *nothing\n", "params.yaml:1", "undefined alias 'nothing'"),
    whole("deep", "seed: " + "[" * 1200 + "\n", "nested too deeply"),
    whole("laughs", LAUGHS, "aliases stand for more than 100,000 values"),
    whole("alias_in_itself", "seed: &x [*x]\n", "params.yaml:1: an alias stands inside"),
    whole("key_is_a_list", "? [a, b]\n: 1\n", "params.yaml:1: a key must be text"),
    whole("python_tag", "seed: !!python/name:os.system x\n", "params.yaml:1: tags such as"),
    whole("own_tag", "seed: !secret 1\n", "params.yaml:1: tags such as !secret"),
    whole("binary_tag", "seed: !!binary aGk=\n", "tags such as !!binary are not allowed"),
    whole("set", "seed: !!set {a}\n", "tags such as !!set are not allowed"),
    whole("wrong_int_tag", "seed: !!int twelve\n", "params.yaml:1", "'twelve' is not a whole"),
    whole("wrong_map_tag", "seed: !!map [1]\n", "params.yaml:1", "expected a mapping node"),
    whole("endless_number", f"seed: {'9' * 5000}\n", "params.yaml:1", "is not a whole number"),
    after("merge_key", "x: &x {a: 1}\ny:\n  <<: *x", ": merge keys (<<) are not supported"),
    after("nul", 'x: "a\\0b"', "holds a NUL or half a character"),
    after("half_a_character", 'x: "\\ud83d"', "holds a NUL or half a character"),
    after("twice", "seed: 7", "duplicate key 'seed'"),
    after("stranger", "sead: 7", "sead: unknown key (did you mean 'seed'?); allowed: "),
    instead(
        "date",
        "description: Sentence pairs written for temper, paraphrase or not.",
        "description: 2024-01-01",
        "description: 2024-01-01 is a date, which DVC refuses; put it in quotes",
    ),
    instead(
        "date_and_time",
        "description: Sentence pairs written for temper, paraphrase or not.",
        "description: 2024-1-1 10:00:00",
        "is a date, which DVC refuses",
    ),
    instead("not_a_group", "seed: 42", "seed: {a: 1}", "seed: ", "found {'a': 1}"),
    instead("number_as_text", "epochs: 2", 'epochs: "2"', "train.epochs: ", "found '2'"),
    instead("yes_is_text", "int8: true", "int8: yes", "export.int8: ", "boolean", "found 'yes'"),
    instead("fraction", "batch_size: 16", "batch_size: 16.5", "train.batch_size: ", "found 16.5"),
    instead("null", "seed: 42", "seed:", "seed: ", "found None"),
    instead("infinite", "weight_decay: 0.1", "weight_decay: 1e999", "train.weight_decay", "finite"),
    instead("underscore", "epochs: 2", "epochs: 1_0", "train.epochs: ", "found '1_0'"),
    BadInput(name="folder", files={"params.yaml": folder}, says=("params.yaml", "found a folder")),
    BadInput(name="pipe", files={"params.yaml": pipe}, says=("params.yaml", "found a pipe")),
    BadInput(
        name="absent", files={"params.yaml": Path.unlink}, says=("params.yaml: no such file; run",)
    ),
    BadInput(
        name="latin_1",
        files={"params.yaml": TESTS.replace("Sentence", "Sätze").encode("latin-1")},
        says=("params.yaml:23: not UTF-8", "save it as UTF-8"),
    ),
    BadInput(
        name="utf_16",
        files={"params.yaml": TESTS.encode("utf-16")},
        says=("params.yaml:1: not UTF-8", "save it as UTF-8"),
    ),
    BadInput(
        name="data_file_is_a_pipe",
        changes={"data.files.train": "pipe.csv"},
        files={"pipe.csv": data_pipe},
        says=("params.yaml:", "data.files.train", "pipe.csv is a pipe"),
    ),
    BadInput(
        name="link_to_nowhere",
        files={"params.yaml": lambda path: (path.unlink(), path.symlink_to("gone"))},
        says=("params.yaml: no such file",),
    ),
    BadInput(
        name="link_to_itself",
        files={"params.yaml": lambda path: (path.unlink(), path.symlink_to("params.yaml"))},
        says=("params.yaml: ",),
    ),
    changed("model.files.sample", "params.yaml", "params.yaml is no folder"),
    BadInput(
        name="model_is_gone",
        files={"data/sample/model": lambda path: shutil.rmtree(path)},
        says=("params.yaml:", "model.files.sample", "no such file or folder: data/sample/model"),
    ),
]
