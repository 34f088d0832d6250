"""docs/from-trainer.md names every argument of Trainer, and only keys that params.yaml has."""

import dataclasses
import json
import re

from transformers import TrainingArguments

from tests.helpers.workspace import ROOT

PAGE = (ROOT / "docs/from-trainer.md").read_text(encoding="utf-8")


def test_every_argument_of_trainer_has_a_row():
    """One row each, in the tables that list arguments."""
    tables = PAGE.partition("## Optimization")[2]
    cells = re.findall(r"^\| (`.*?) \| ", tables, re.M)
    names = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    names = [name for name in names if name != "TrainingArguments"]
    assert sorted(names) == sorted(field.name for field in dataclasses.fields(TrainingArguments))


def test_every_key_of_the_page_exists():
    """Named as `group.key`, to any depth."""
    schema = json.loads((ROOT / "params.schema.json").read_text(encoding="utf-8"))
    groups = "|".join(key for key in schema["properties"] if key not in ("seed", "code"))
    keys = re.findall(rf"`((?:{groups})(?:\.\w+)+)", PAGE)
    described = (ROOT / "docs/parameters.md").read_text(encoding="utf-8")
    for key in keys:
        group, _, name = key.rpartition(".")
        heading = re.search(rf"^#+ .*`?{re.escape(group)}`?$", described, re.M)
        assert heading is not None, key
        section = described[heading.end() :].split("\n#", 1)[0]
        if group != "task":
            assert f"`{name}`" in section, key
    assert len(keys) > 30
