"""What models cost stands beside what they score, in the units a reader compares."""

import io
import json

import pytest
from fsspec.implementations.local import LocalFileSystem
from rich.console import Console

from temper import params
from temper.compare import costs, latency, model_comparison, shared_rows
from temper.compare.experiments import Experiment
from temper.compare.latency import Measured
from tests.helpers.comparisons import SAMPLES, WANTED, WORSE, labelled, model, two
from tests.helpers.tables import read_csv

BYTES = {"model.safetensors": 90 * 2**20, "onnx/model.onnx": 91 * 2**20}
INT8 = {**BYTES, "onnx/model_int8.onnx": 22 * 2**20}
SIZE = {"parameters": 22_713_216, "macs": 1_333_697_536, "bytes": BYTES}


def sized(one, **size):
    one.files.files[costs.SIZE] = json.dumps(SIZE | size).encode()
    return one


def compared(models):
    return model_comparison.compare(models, None, None, SAMPLES)


def test_sizes_and_times_stand_beside_the_score():
    """A model that was not exported has a note, and what is known of no model no line."""
    first, second = two()
    result = compared([sized(first, bytes=INT8), second])
    times = {"a": {"torch": 5.0, "int8": 1.234}}
    measured = Measured(milliseconds=times, how="time: median", notes=["b: torch is not timed"])
    facts, notes = costs.collect(result, measured)
    (table,) = costs.tables(result, facts, measured)
    assert table.head == ["", "a", "b"]
    assert table.rows == [
        ["accuracy", "0.833", "0.917"],
        ["parameters, M", "22.7", ""],
        ["MACs, M", "1,334", ""],
        ["weights, MiB", "90.0", ""],
        ["int8, MiB", "22.0", ""],
        ["torch, ms", "5.00", ""],
        ["int8, ms", "1.23", ""],
    ]
    assert notes[:2] == ["time: median", "b: torch is not timed"]
    assert notes[2].startswith("b: its size is unknown, as DVC has no data/export/size.json of it")
    facts, _ = costs.collect(compared(two()), None)
    assert costs.tables(compared(two()), facts, None)[0].rows == []


def test_what_is_not_known_has_no_line():
    """Neither MACs that were not counted nor times that nobody asked for."""
    models = [sized(model(name, labelled(WANTED, WORSE)), macs=None) for name in "abcde"]
    result = compared(models)
    (table,) = costs.tables(result, costs.collect(result, None)[0], None)
    assert (table.title, table.head[2:]) == ("size", ["parameters, M", "weights, MiB"])


def test_models_that_cannot_be_timed_are_notes():
    """The comparison is shown all the same."""
    result = compared([sized(one) for one in two()])
    measured = latency.measure(result.models, 1)
    _, notes = costs.collect(result, measured)
    for name, note in zip("ab", notes, strict=True):
        assert note.startswith(f"{name}: not timed: data/export is neither in DVC's cache nor")


@pytest.mark.parametrize("count", [2, 4, 7])
def test_the_tables_fit_a_terminal_of_80_columns(count):
    """No number is cut, whatever the number of models."""
    names = [f"puffy-dhal-{i}" for i in range(count)]
    result = compared([sized(model(name, labelled(WANTED, WORSE)), bytes=INT8) for name in names])
    times = {name: dict.fromkeys(("torch", "onnx", "int8"), 12.345) for name in names}
    measured = Measured(milliseconds=times, how="time", notes=[])
    facts, _ = costs.collect(result, measured)
    console = Console(width=80, record=True, file=io.StringIO())
    for table in costs.tables(result, facts, measured):
        table.print(console)
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80
    for shown in ("22.7", "1,334", "90.0", "12.35"):
        assert text.count(shown) == count * (3 if shown == "12.35" else 1)


def test_a_csv_file_has_the_numbers_unrounded(tmp_path):
    """A row per model, and empty cells for what is unknown."""
    first, second = two()
    result = compared([sized(first), second])
    text = costs.as_csv(result, costs.collect(result, None)[0])
    (tmp_path / "out.csv").write_text(text, newline="")
    rows = read_csv(tmp_path / "out.csv")
    assert [row["model"] for row in rows] == ["a", "b"]
    assert rows[0]["accuracy"] == "0.833333"
    assert (rows[0]["parameters"], rows[1]["parameters"]) == ("22713216", "")
    assert rows[0]["onnx_bytes"] == str(91 * 2**20)
    assert rows[0]["rows"] == "600"


def test_models_take_turns_on_the_same_rows():
    """The first row of a turn is predicted once before it counts, and a row's fastest pass does."""
    calls, now = [], [0.0]

    def predictor(name, seconds):
        def predict(row):
            calls.append((name, row["text"][0]))
            is_interrupted = row["text"][0] % 5 != (len(calls) - 1) // 54  # in all passes but one
            now[0] += seconds + is_interrupted

        return predict

    rows = {name: [{"text": [i]} for i in range(25)] for name in "ab"}
    models = {("a", "onnx"): predictor("a", 1.0), ("b", "onnx"): predictor("b", 0.5)}
    found = latency.time_in_turn(models, rows, lambda: now[0])
    assert found == {("a", "onnx"): [1.0] * 25, ("b", "onnx"): [0.5] * 25}
    first, second = [0, *range(20)], [20, *range(20, 25)]
    turns = [("a", first), ("b", first), ("a", second), ("b", second)]
    assert calls == [(name, row) for name, turn in turns for row in turn] * latency.PASSES


@pytest.mark.slow
def test_exports_are_timed_in_each_engine_they_have(exported):
    """A graph that is missing is not timed, and one that is damaged is a note."""
    (exported / "onnx/model_int8.onnx").unlink()
    experiments = [
        Experiment(name=name, rev=None, parameters=params.load(), files=LocalFileSystem())
        for name in "ab"
    ]
    models = shared_rows.load(experiments, "test")
    found = latency.measure(models, 1)
    assert {name: [*times] for name, times in found.milliseconds.items()} == {
        name: ["torch", "onnx"] for name in "ab"
    }
    assert all(ms > 0 for times in found.milliseconds.values() for ms in times.values())
    assert found.how.startswith("time: median of 24 test rows one by one, each the fastest of 5")
    assert found.notes == []
    (exported / "onnx/model.onnx").write_text("damaged")
    found = latency.measure(models, 1)
    assert [*found.milliseconds["a"]] == ["torch"]
    assert "ONNX Runtime cannot load it" in found.notes[0]
