"""What a checkpoint says about tokens becomes data/base; how it searches is said, not taken."""

import json
from pathlib import Path

import pytest
from transformers import GenerationConfig

from stages import download
from temper.core.errors import InputError
from tests.helpers.samples import SEQ2SEQ, prepare_sample

TOKENS = {"forced_bos_token_id": 0, "bad_words_ids": [[3], [4, 6]]}
SEARCH = {"num_beams": 4, "min_length": 12, "repetition_penalty": 1.5}


@pytest.fixture
def base(tmp_path, monkeypatch):
    """Return a function that changes the sample's checkpoint and downloads it again."""
    monkeypatch.chdir(tmp_path)
    parameters = prepare_sample(tmp_path, SEQ2SEQ, {})
    (model,) = map(Path, parameters.model.files.values())

    def fetch(*, overrides=None, **files):
        for name, changes in files.items():
            file = model / f"{name}.json"
            content = json.loads(file.read_text()) if file.exists() else {}
            file.write_text(json.dumps(content | changes))
        changed = parameters.model.model_copy(update={"config": overrides or {}})
        target = tmp_path / "base"
        target.mkdir()
        changed = parameters.model_copy(update={"model": changed})
        summary = download.download_model(changed, target)
        return summary, GenerationConfig.from_pretrained(target / "weights")

    return fetch


@pytest.mark.parametrize("file", ["generation_config", "config"])
def test_tokens_are_taken_and_the_search_is_not(base, file, capsys):
    """From generation_config.json or, in old checkpoints, config.json; the rest is printed."""
    summary, found = base(**{file: TOKENS | SEARCH})
    assert {name: getattr(found, name) for name in TOKENS} == TOKENS
    assert found.num_beams is found.min_length is found.repetition_penalty is None
    assert summary["generation_not_taken"] == SEARCH
    download.print_model(summary)
    assert "evaluate.generation decides, not: " in capsys.readouterr().out


def test_further_ends_of_a_text_count_and_the_tokenizers_does(base):
    """A chat model's list; a token that the model does not have is none."""
    _, found = base(generation_config={"eos_token_id": [7, 9999], "pad_token_id": 3})
    assert found.eos_token_id == [1, 7]
    assert found.pad_token_id == 0


def test_overrides_of_the_config_count(base):
    """`model.config` says with which token a target begins, in training and in generating."""
    _, found = base(overrides={"decoder_start_token_id": 9}, generation_config=TOKENS)
    assert found.decoder_start_token_id == 9


def test_targets_begin_as_generated_texts_do(base):
    """With that of config.json, where generation_config.json names none."""
    _, found = base(generation_config={"max_length": 50})
    assert found.decoder_start_token_id == 0  # config.json's


def test_two_tokens_to_begin_with_are_refused(base):
    """Training would begin with one and generation with the other; model.config decides."""
    with pytest.raises(InputError, match=r"token 5, and in config.json with 0: say which in model"):
        base(generation_config={"decoder_start_token_id": 5})


@pytest.mark.parametrize("value", [116, -1, "a", 1.5, True])
def test_refuses_tokens_that_do_not_exist(base, value):
    """Before anything is trained, with the file and what is allowed."""
    message = r"generation_config.json: forced_bos_token_id is .*; the model has tokens 0 to 115"
    with pytest.raises(InputError, match=message):
        base(generation_config={"forced_bos_token_id": value})
