"""Rows of every task are checked before anything runs."""

import io
import json
from pathlib import Path

import pytest
import yaml

from temper import params
from temper.cli.check import examine
from temper.core import yaml_file
from temper.core.errors import InputError
from tests.helpers.workspace import ROOT, change


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Return a function that checks a sample recipe with rows of its own."""

    def run(task: str, rows: list[dict], **changes) -> list[str]:
        recipe = ROOT / f"recipes/sample-{task}.yaml"
        tree = yaml.load(recipe.read_text(), Loader=yaml_file.Loader)
        monkeypatch.chdir(tmp_path)
        for name in ("data/sample", "launch", "stages", "temper", "dvc.yaml"):
            target = tmp_path / name
            target.parent.mkdir(exist_ok=True)
            if not target.exists():
                target.symlink_to(ROOT / name)
        Path("own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        tree["data"]["files"] = {"train": "own.jsonl"}
        tree = change(tree, {key.replace("__", "."): value for key, value in changes.items()})
        Path("params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
        return examine(params.load())[0]

    return run


@pytest.mark.parametrize(
    ("task", "row", "message"),
    [
        (
            "token_classification",
            {"words": ["Anna", "left"], "tags": ["O"]},
            "train row 21, column 'tags': 1 tags for 2 words",
        ),
        ("token_classification", {"wrods": [], "tags": []}, "no column 'words'"),
        ("multiple_choice", {"label": "first"}, "column 'label'"),
        ("question_answering", {"answers": {"text": ["a"]}}, "column 'answers'"),
    ],
)
def test_check_names_the_row(check, task, row, message):
    """Before anything runs: the file, the split, the row and the column."""
    source = ROOT / f"data/sample/{task}/test.jsonl"
    good = [json.loads(line) for line in source.read_text().splitlines()[:20]]
    rows = [*good, {**good[0], **row}] if "wrods" not in row else [row] * 20
    found = check(task, rows)
    assert any(message in mistake for mistake in found), found
    assert check(task, good * 2) == []


@pytest.mark.parametrize(
    ("task", "changes", "message"),
    [
        ("masked_lm", {"tokenize__max_length": 65}, "positions for 64 tokens"),
        ("question_answering", {"tokenize__stride": 60}, "room for 29 of the text"),
        (
            "causal_lm",
            {"train__metric_for_best_model": "exact_match"},
            "allowed: loss, perplexity, accuracy",
        ),
    ],
)
def test_check_names_what_cannot_be(check, task, changes, message):
    """Lengths, overlaps, and metrics that training does not compute."""
    source = "train.csv" if task in ("masked_lm", "causal_lm") else f"{task}/test.jsonl"
    from tests.helpers.samples import rows_of

    found = check(task, rows_of(ROOT / "data/sample" / source, 30), **changes)
    assert any(message in mistake for mistake in found), found


def test_images_that_break_off_are_named():
    """The header is there, the rest is not."""
    from PIL import Image

    from temper.tasks.image_classification import open_image

    whole = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(whole, "PNG")
    with pytest.raises(InputError, match="cannot be read"):
        open_image(whole.getvalue()[:200])
