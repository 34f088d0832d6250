"""JSON and JSON Lines hold objects whose values JSON has; errors name the line."""

import pytest

from temper.core.errors import InputError
from tests.helpers.archives import columns_of


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": NaN}', r"x\.jsonl:2: NaN or Infinity, which are no values of JSON; write null"),
        ('{"text": [-Infinity]}', r"x\.jsonl:2: NaN or Infinity"),
        ('{"text": "\\ud83d"}', r"x\.jsonl:2: \\ud83d alone is no character, but half of a pair"),
        pytest.param("[" * 100_000, r"x\.jsonl:2: JSON that Python cannot read: .*rec", id="deep"),
        pytest.param('{"n": ' + "1" * 5000 + "}", r"x\.jsonl:2: JSON that .*: Exceeds", id="long"),
        ("{", r"x\.jsonl:2: not JSON: Expecting property name .* \(column 2\)"),
        ("[1]", r"x\.jsonl:2: expected an object, found \[1\]"),
        (
            '{"n": 1, "a": 1, "a": 2}',
            r"x\.jsonl:2: the name 'a' stands 2 times in one object \(col",
        ),
        ('{"n": {"a": 1, "a": 2}}', r"x\.jsonl:2: the name 'a' stands 2 times in one object"),
    ],
)
def test_names_the_line_that_is_no_row(tmp_path, line, message):
    """In one line, whatever Python's parser raises."""
    (tmp_path / "x.jsonl").write_text('{"text": "NaN \\ud83d\\ude00 is \\"Infinity\\""}\n' + line)
    with pytest.raises(InputError, match=message):
        columns_of(tmp_path / "x.jsonl")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"a": 1},\n{"a": 2},]', r"x\.json:2: not JSON: .* \(column \d+\)"),
        (
            '[{"}": 1},\n{}, {"a": 1, "b": {},\n"a": 2}, {"c": 1, "c": 2}]',
            r"x\.json:2: .*'a' .*column 5\)",
        ),
        (
            '[{"a": [{"b": "\\"{", "b": 2}]}]',
            r"x\.json:1: the name 'b' .* \(column 9\); remove all",
        ),
        ('[{"a": 1}, {"a": NaN}]', r"x\.json: row 2: NaN or Infinity"),
        pytest.param("[" * 100_000, r"x\.json: JSON that Python cannot read", id="deep"),
        ('{"rows": []}', r"x\.json: expected a list of objects, or one under 'data'"),
        (
            '{"data": [{"paragraphs": []}, {"paragraphs": [{"qas": [{}]}]}]}',
            r"x\.json: article 2 is not as SQuAD has it: .*`context`",
        ),
    ],
)
def test_names_what_is_wrong_in_a_whole_file(tmp_path, text, message):
    """The line of broken JSON or of the object that is refused, or else the row."""
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError, match=message):
        columns_of(tmp_path / "x.json")
