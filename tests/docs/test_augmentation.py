"""docs/augmentation.md: its example can be copied."""

import re
from pathlib import Path

import yaml

from temper import augmentation
from temper.augmentation import words
from tests.helpers.augmentation import changed
from tests.helpers.workspace import ROOT


def test_example_of_the_page_can_be_copied(write_params):
    """The group is valid beside the sample's other keys, and the rows of its table can be made."""
    text = (ROOT / "docs/augmentation.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    group = yaml.safe_load(example)["tokenize"]
    parameters = write_params(**{f"tokenize__{name}": value for name, value in group.items()})
    assert parameters.tokenize.augment is not None
    assert tuple(parameters.tokenize.augment.methods) == augmentation.METHODS
    (lines,) = re.findall(r"```\n(shop\t.*?)```", text, re.DOTALL)
    Path("list.tsv").write_text(lines)
    known = words.build_synonyms(words.read_synonyms(Path("list.tsv")))
    (origin,) = re.findall(r"\*(The shop .*?)\* becomes", text)
    changes = {"swap": words.swap, "delete": words.delete, "characters": words.characters}
    for name, change in (changes | {"synonyms": known}).items():
        (shown,) = re.findall(rf"\| `{name}` \| (.*) \|", text)
        assert shown.replace("*", "") in changed(change, origin, 0.1), name
