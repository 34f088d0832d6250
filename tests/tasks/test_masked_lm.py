"""Masked words: whole ones, drawn from their seed; the base of another task."""

import shutil
from pathlib import Path

import numpy as np
import yaml

from stages import download, hash_inputs
from temper import params
from temper.core import artifacts, yaml_file
from temper.tasks.base import registry
from tests.helpers import stage_runs
from tests.helpers.samples import load, prepare_sample
from tests.helpers.workspace import ROOT, change, link_code


def test_masks_whole_words_by_their_seed():
    """All tokens of a word are masked or none, the same ones for the same draw."""
    task, processor, config = load("recipes/sample-masked_lm.yaml", task__mask_probability=0.3)
    texts = ["Xylophonists unquestionably juxtaposed bricklayers and goldsmiths."]
    columns = task.encode({"sentence1": texts}, processor, mode="evaluate")
    row = {name: values[0] for name, values in columns.items()}
    collate, words = task.collator(processor, config), np.array(columns["word_ids"][0])
    draws = [collate([row | {"draw": (1, 2, 3 + i)}]) for i in range(40)]
    again = collate([row | {"draw": (1, 2, 3)}])
    np.testing.assert_array_equal(draws[0]["input_ids"], again["input_ids"])
    assert len({batch["labels"].tobytes() for batch in draws}) > 10
    shares = []
    for batch in draws:
        chosen = batch["labels"][0][: len(words)] != -100
        assert not chosen[words < 0].any()
        for word in set(words[words >= 0]):
            assert len(set(chosen[words == word])) == 1
        shares.append(chosen[words >= 0].mean())
        assert (
            batch["labels"][0][: len(words)][chosen] == np.array(row["input_ids"])[chosen]
        ).all()
    assert 0.15 < np.mean(shares) < 0.45


def test_pretrained_backbone_is_the_base_of_another_task(tmp_path, monkeypatch):
    """A classifier starts with the backbone that masked words trained."""
    import torch
    from safetensors.torch import load_file

    monkeypatch.setenv("TEMPER_TRACKING", "off")
    monkeypatch.chdir(tmp_path)
    link_code(tmp_path)
    prepare_sample(tmp_path, "recipes/sample-masked_lm.yaml", {"train.epochs": 1})
    stage_runs.train()
    shutil.move("data/model", "domain")
    shutil.rmtree("data/base")
    tree = yaml.load((ROOT / "params.yaml").read_text(), Loader=yaml_file.Loader)
    own = {"model.name": "domain", "model.files": {"domain": "domain"}, "model.from_scratch": False}
    Path("params.yaml").write_text(yaml.safe_dump(change(tree, own), sort_keys=False))
    parameters = params.load()
    hash_inputs.main(Path("domain"), Path("data/files/model/domain.json"))
    download.main("model", Path("data/files/model"), Path("data/base"))
    from temper.training import networks

    features = {"labels": datasets_label()}
    network = networks.build(
        Path("data/base"), registry.load(parameters, features), features, parameters
    )
    stored, found = load_file("domain/model.safetensors"), network.state_dict()
    shared = [name for name in stored if name in found]
    assert len(shared) > 15
    assert all(torch.equal(stored[name], found[name]) for name in shared)
    summary = artifacts.read_json(Path("data/base/summary.json"))
    assert "classifier.weight" in summary["tensors"]["new"]
    assert any(name.startswith("cls.") for name in summary["tensors"]["unused"])


def datasets_label():
    from datasets import ClassLabel

    return ClassLabel(names=["not_equivalent", "equivalent"])


def test_masks_single_tokens_without_whole_word():
    """Some word is masked in part, and a higher probability masks more."""
    texts = {"sentence1": ["Xylophonists unquestionably juxtaposed bricklayers."]}

    def hidden(**changes):
        task, processor, config = load("recipes/sample-masked_lm.yaml", **changes)
        columns = task.encode(texts, processor, mode="evaluate")
        row, words = {n: v[0] for n, v in columns.items()}, np.array(columns["word_ids"][0])
        collate = task.collator(processor, config)
        batches = [collate([row | {"draw": (0, 1, i)}])["labels"][0] for i in range(30)]
        return [batch[: len(words)] != -100 for batch in batches], words

    parts, words = hidden(task__whole_word=False)
    assert any(len(set(chosen[words == w])) == 2 for chosen in parts for w in set(words) - {-1})
    shares = [
        np.mean(hidden(task__mask_probability=p, task__whole_word=False)[0]) for p in (0.1, 0.5)
    ]
    assert shares[0] < 0.3 < shares[1]
