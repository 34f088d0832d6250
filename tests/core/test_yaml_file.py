"""YAML files are read as DVC reads them."""

from temper.core import yaml_file


def test_values_are_those_that_dvc_reads(tmp_path):
    """Numbers, words and keys by YAML 1.2; aliases and a byte-order mark as ever."""
    from dvc.utils.serialize import load_yaml

    text = (
        "rate: 1e-5\nten: 010\neight: 0o10\nhex: 0x1F\nword: no\nnothing: ~\n"
        "share: .5\nsigned: +3\n"
        "list: &list [1, true, 'no', \"2024-01-01\"]\nagain: *list\n"
    )
    file = tmp_path / "some.yaml"
    file.write_text(text)
    assert yaml_file.load(file) == load_yaml(str(file))
    file.write_text(f"\ufeff{text}", encoding="utf-8")
    assert yaml_file.load(file)["again"] == [1, True, "no", "2024-01-01"]


def test_keys_are_text(tmp_path):
    """As in the JSON that the schema validates."""
    file = tmp_path / "some.yaml"
    file.write_text("7: a\ntrue: b\n0.5: c\nx: d\n")
    assert list(yaml_file.load(file)) == ["7", "true", "0.5", "x"]
