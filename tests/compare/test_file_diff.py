"""How two files differ, by hand: cells, tensors, keys, lines."""

import json

import numpy as np

from temper.compare import file_diff


def test_tables_differ_by_columns_counts_and_cells():
    """The first differing cell is named."""

    def rows(names, *values):
        return list(names), iter(values)

    found = file_diff.diff_tables(rows("ab", (1, 2), (3, 4)), rows("ab", (1, 2), (3, 5)))
    assert found == "1 of 2 rows differ; first in row 1, column b: 4 before, 5 now"
    assert file_diff.diff_tables(rows("ab"), rows("ac")) == "columns a, b before, a, c now"
    shorter = file_diff.diff_tables(rows("a", (1,), (2,)), rows("a", (1,)))
    assert shorter == "2 → 1 rows; the common ones agree"


def test_tensors_differ_by_name_and_largest_difference():
    """The first tensor by name is shown with its largest difference."""
    one = {"b": np.zeros(3, np.float32), "a": np.ones(2, np.float32)}
    other = one | {"b": np.array([0, 0.25, 0], np.float32)}
    found = file_diff.diff_tensors(one, other)
    assert found == "1 of 2 tensors differ, first b by up to 0.25"
    assert file_diff.diff_tensors(one, {"a": one["a"]}) == "different tensors: b"
    wide = file_diff.diff_tensors(one, one | {"a": np.ones(3, np.float32)})
    assert wide.endswith("first a float32 (2,) before, float32 (3,) now")


def test_json_and_text_differ_by_key_line_and_byte(tmp_path):
    """JSON is named by its dotted key, text by its line, anything else by its byte."""
    for name, value in (("old", {"a": [1, 2]}), ("new", {"a": [1, 3]})):
        (tmp_path / name).write_text(json.dumps(value))
    found = file_diff.describe(".json", tmp_path / "old", tmp_path / "new")
    assert found == "1 values differ, first a.1: 2 before, 3 now"
    for name, value in (("old", {"a.b": 1, "a": {"b": 2}}), ("new", {"a.b": 1})):
        (tmp_path / name).write_text(json.dumps(value))  # two values with the same dotted key
    found = file_diff.describe(".json", tmp_path / "old", tmp_path / "new")
    assert found == "25 bytes before, 10 now, from line 1 on"
    assert file_diff.diff_bytes(b"a\nb\n", b"a\nc\n") == "4 bytes before, 4 now, from line 2 on"
    assert file_diff.diff_bytes(b"\0a", b"\0b") == "2 bytes before, 2 now, from byte 1 on"
    missing = file_diff.describe(".json", tmp_path / "none", tmp_path / "new")
    assert "not in the cache" in missing
