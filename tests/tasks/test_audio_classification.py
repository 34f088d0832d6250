"""A clip's logits do not depend on its batch, whatever the model; what cannot hold is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from temper import inference
from temper.core.errors import InputError
from temper.tasks.base import audio
from tests.helpers.samples import load, rows_of
from tests.helpers.workspace import ROOT

RECIPE = "recipes/sample-audio_classification.yaml"
SIZES = {
    "conv_dim": [16, 16],
    "conv_kernel": [10, 8],
    "conv_stride": [5, 4],
    "num_feat_extract_layers": 2,
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "classifier_proj_size": 16,
}
FAMILIES = ("wav2vec2", "hubert", "wavlm", "unispeech", "unispeech-sat")


def clips(count: int) -> list[bytes]:
    rows = rows_of(ROOT / "data/sample/audio_classification/test.parquet", count)
    return [row["audio"] for row in rows]


def logits(family: str, padding: str, norm: str) -> list[np.ndarray]:
    """Return the logits of clips alone and in one batch, by a random model of a family."""
    import torch
    from transformers import AutoConfig, AutoModelForAudioClassification

    task, processor, _ = load(RECIPE, tokenize__padding=padding)
    config = AutoConfig.for_model(family, **SIZES, feat_extract_norm=norm, num_labels=4)
    task.check_length(processor, config)
    torch.manual_seed(1)
    model = AutoModelForAudioClassification.from_config(config)
    encoded = task.encode({"audio": clips(8)}, processor, mode="predict")
    del encoded["full_length"]
    rows = inference.RowList.of_columns(encoded)
    run = inference.logits_runner(
        inference.torch_forward(model, task), task.collator(processor, config), task
    )
    return [np.stack(list(inference.row_outputs(run, rows, size))) for size in (1, 8)]


@pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")  # WavLM's
@pytest.mark.parametrize("family", FAMILIES)
def test_padding_changes_no_logit_where_steps_are_normalized(family):
    """With feat_extract_norm: layer and a mask, a clip alone has the logits it has in a batch."""
    alone, together = logits(family, "dynamic", "layer")
    np.testing.assert_allclose(alone, together, atol=1e-5)
    assert np.ptp(alone, axis=0).max() > 1e-3  # the clips differ


@pytest.mark.parametrize("family", ["wav2vec2", "sew"])
def test_padding_to_one_length_changes_no_logit_of_any_family(family):
    """Every clip has max_seconds, however many are in its batch."""
    alone, together = logits(family, "max_length", "group")
    np.testing.assert_allclose(alone, together, atol=1e-5)


@pytest.mark.parametrize(
    ("family", "norm", "says"),
    [
        ("wav2vec2", "group", "feat_extract_norm: group"),
        ("sew", "layer", "sew lets padding into the clip"),
    ],
)
def test_dynamic_padding_is_refused_where_it_would_change_logits(family, norm, says):
    """The message says what to set."""
    with pytest.raises(InputError, match=f"{says}.*; set it to max_length"):
        logits(family, "dynamic", norm)


def extractor(folder: Path, **settings: object) -> object:
    """Load a feature extractor with these settings."""
    from transformers import AutoFeatureExtractor

    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return AutoFeatureExtractor.from_pretrained(str(folder))


@pytest.mark.parametrize(
    ("name", "settings", "longest", "shape"),
    [
        ("ASTFeatureExtractor", {"max_length": 64, "num_mel_bins": 16}, 0.655, (64, 16)),
        ("WhisperFeatureExtractor", {"chunk_length": 2}, 2, (80, 200)),
    ],
)
def test_spectrograms_have_one_size(tmp_path, name, settings, longest, shape):
    """They are those of resampled clips; longer ones than the model takes are refused."""
    processor = extractor(tmp_path, feature_extractor_type=name, **settings)
    options = {"tokenize__padding": "max_length", "tokenize__max_seconds": longest}
    task, _, config = load(RECIPE, **options)
    task.check_length(processor)
    encoded = task.encode({"audio": clips(3), "label": [0, 1, 2]}, processor, mode="train")
    rows = inference.RowList.of_columns(encoded)
    batch = task.collate(rows, processor, config)
    values = batch[processor.model_input_names[0]]
    assert values.shape == (3, *shape)
    samples = audio.resampled(*audio.read(clips(1)[0]), 16000)
    expected = processor(samples, sampling_rate=16000, return_tensors="np")
    np.testing.assert_allclose(values[0], expected[processor.model_input_names[0]][0], atol=1e-6)
    too_long, _, _ = load(RECIPE, **options | {"tokenize__max_seconds": longest * 1.1})
    with pytest.raises(InputError, match=f"max_seconds is .*takes {longest:g} seconds"):
        too_long.check_length(processor)
    dynamic, _, _ = load(RECIPE, tokenize__padding="dynamic", tokenize__max_seconds=longest)
    with pytest.raises(InputError, match=f"{name} pads every clip"):
        dynamic.check_length(processor)


def test_another_feature_extractor_is_refused(tmp_path):
    """Known ones are named."""
    processor = extractor(tmp_path, feature_extractor_type="ClapFeatureExtractor")
    with pytest.raises(
        InputError,
        match=r"^model\.name: .* ClapFeatureExtractor, which is .*known are Wav2.*: name a model",
    ):
        load(RECIPE)[0].check_length(processor)


def test_longer_clips_are_cut_at_max_seconds_and_counted():
    """What is cut is counted by full_length; the rest is normalized by itself, as without a cut."""
    task, processor, _ = load(RECIPE, tokenize__max_seconds=0.1)
    (data,) = clips(1)
    encoded = task.encode({"audio": [data]}, processor, mode="train")
    samples, _ = audio.read(data)
    assert encoded["full_length"] == [len(samples)]
    assert encoded["length"] == [400] < encoded["full_length"]
    kept = samples[:400].astype(np.float64)
    expected = (kept - kept.mean()) / np.sqrt(kept.var() + 1e-7)
    found = np.frombuffer(encoded["input_values"][0], np.float32)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_what_draws_without_a_seed_is_off():
    """SpecAugment and layerdrop, which are on in the configs of published models."""
    from transformers import AutoConfig

    task, _, _ = load(RECIPE)
    config = AutoConfig.for_model("wav2vec2", apply_spec_augment=True, layerdrop=0.1)
    task.configure(config, {})
    assert (config.apply_spec_augment, config.layerdrop) == (False, 0.0)
