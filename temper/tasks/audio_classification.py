"""Audio clips → one label. What a model reads of a clip is computed once and stored as float32."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from temper.core.errors import InputError
from temper.params.classification import UNSEEDED
from temper.tasks.base import Mode, arrays, audio
from temper.tasks.base.arrays import Batch, Columns, Features
from temper.tasks.base.single_label import SingleLabelTask

if TYPE_CHECKING:
    from transformers import PretrainedConfig

NUM_SAMPLES: Mapping[str, Callable[[Any], int | None]] = {  # that each clip is padded or cut to
    "Wav2Vec2FeatureExtractor": lambda extractor: None,  # as long as the clip
    "ASTFeatureExtractor": lambda extractor: 400 + 160 * (extractor.max_length - 1),
    "WhisperFeatureExtractor": lambda extractor: extractor.n_samples,
}
# Families that mask what padding becomes after their convolutions, if these normalize each step
# by itself (feat_extract_norm: layer). In all others a clip's padding changes its logits.
MASKED = ("hubert", "unispeech", "unispeech-sat", "wav2vec2", "wavlm")


class AudioClassification(SingleLabelTask):
    auto_model = "AutoModelForAudioClassification"
    pipeline_tag = "audio-classification"
    auto_processor = "AutoFeatureExtractor"

    @property
    def padded_length(self) -> Callable[[int], int] | None:
        tokenize = self.settings.tokenize
        if tokenize.padding == "max_length":
            return None
        multiple = tokenize.pad_to_multiple_of or 1
        return lambda longest: -(-longest // multiple) * multiple

    def configure(self, config: "PretrainedConfig", types: Mapping[str, Any]) -> None:
        super().configure(config, types)
        for name, off in UNSEEDED.items():
            if hasattr(config, name):
                setattr(config, name, off)

    def check_length(self, processor: Any, config: "PretrainedConfig | None" = None) -> None:
        kind, tokenize = type(processor).__name__, self.settings.tokenize
        if kind not in NUM_SAMPLES:
            raise InputError(
                f"model.name: the model reads clips with {kind}, which is not known here; known "
                f"are {', '.join(NUM_SAMPLES)}: name a model with one of these"
            )
        fixed, rate = NUM_SAMPLES[kind](processor), processor.sampling_rate
        if fixed is not None and self.max_length(processor) > fixed:
            raise InputError(
                f"tokenize.max_seconds is {tokenize.max_seconds:g}, but the model takes "
                f"{fixed / rate:g} seconds; set it to that or less"
            )
        reason = why_padding_counts(processor, config)
        if tokenize.padding == "dynamic" and reason is not None:
            raise InputError(
                f"tokenize.padding: dynamic would make predictions depend on the batch, for "
                f"{reason}; set it to max_length"
            )

    def max_length(self, processor: Any) -> int:
        """Return `tokenize.max_seconds` in samples of the extractor's rate."""
        return round(self.settings.tokenize.max_seconds * processor.sampling_rate)

    def encode(self, examples: Columns, processor: Any, *, mode: Mode) -> Columns:
        rate, most = processor.sampling_rate, self.max_length(processor)
        name = processor.model_input_names[0]
        columns: Columns = {name: [], "shape": [], "length": [], "full_length": []}
        for data in examples[self.params.audio]:  # one whole clip is in memory at a time
            clip = audio.resampled(*audio.read(data), rate)
            values = extract(clip[:most], processor)
            columns[name].append(values.tobytes())
            columns["shape"].append(list(values.shape))  # (samples,) or of a spectrogram
            columns["length"].append(min(len(clip), most))
            columns["full_length"].append(len(clip))
        if self.params.label in examples:
            columns["labels"] = examples[self.params.label]
        return columns

    def collate(self, rows: Features, processor: Any, config: "PretrainedConfig") -> Batch:
        """Return samples (batch, samples) and their mask, or spectrograms, float32."""
        name = processor.model_input_names[0]
        values = [np.frombuffer(row[name], np.float32).reshape(row["shape"]) for row in rows]
        batch: Batch = {}
        if values[0].ndim == 1:
            longest = max(map(len, values))
            length = self.padded_length(longest) if self.padded_length else None
            length = length or self.max_length(processor)
            batch[name] = np.zeros((len(rows), length), np.float32)
            mask = np.zeros((len(rows), length), np.int64)
            for i, value in enumerate(values):
                batch[name][i, : len(value)] = value
                mask[i, : len(value)] = 1
            if processor.return_attention_mask:
                batch["attention_mask"] = mask
        else:
            batch[name] = np.stack(values)
        if "labels" in rows[0]:
            batch["labels"] = arrays.label_ids(row["labels"] for row in rows)
        return batch

    def snippet(self) -> str:
        tokenize = self.settings.tokenize
        padded = "  # shorter ones are padded by temper, not here"
        return "\n".join(
            (
                "from scipy.io import wavfile",
                "from transformers import pipeline",
                "",
                f'model = pipeline("{self.pipeline_tag}", model="path/to/this/folder")',
                'rate, samples = wavfile.read("clip.wav")  # one channel of 16 bits',
                "assert rate == model.feature_extractor.sampling_rate",
                f"samples = samples[: round({tokenize.max_seconds:g} * rate)]"
                + padded * (tokenize.padding == "max_length"),
                "model(samples / 32768)",
            )
        )


def extract(samples: np.ndarray, processor: Any) -> np.ndarray:
    """Return what a model reads of a clip: its normalized samples, or its spectrogram."""
    found = processor(samples, sampling_rate=processor.sampling_rate, return_tensors="np")
    return np.ascontiguousarray(found[processor.model_input_names[0]][0], dtype=np.float32)


def why_padding_counts(processor: Any, config: "PretrainedConfig | None") -> str | None:
    """Return why a clip's padding would change its logits; None: it does not, or is not known."""
    if NUM_SAMPLES[type(processor).__name__](processor) is not None:
        return f"{type(processor).__name__} pads every clip to the same length"
    if not processor.return_attention_mask:
        return "the model's feature extractor makes no attention mask (return_attention_mask)"
    if config is None:
        return None
    if config.model_type not in MASKED:
        return f"{config.model_type} lets padding into the clip"
    if getattr(config, "feat_extract_norm", None) != "layer":
        return "the model normalizes over the whole clip (feat_extract_norm: group)"
    return None
