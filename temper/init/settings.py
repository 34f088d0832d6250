"""Roles of columns and a model → the values of params.yaml: lengths, rates, epochs, scores."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from temper.core import cores
from temper.core.errors import InputError
from temper.init.labels import positive_label
from temper.init.profiles import MAX_CELLS, ColumnProfile
from temper.init.roles import Columns, Roles
from temper.params import text_template
from temper.tasks.audio_classification import MASKED
from temper.tasks.base import chat_template, messages

if TYPE_CHECKING:
    from transformers import PretrainedConfig

DISTILBERT = "distilbert/distilbert-base-"
MODELS = {  # task → what is fine-tuned where nothing is named; the second is for other alphabets
    "sequence_classification": (f"{DISTILBERT}uncased", f"{DISTILBERT}multilingual-cased"),
    "token_classification": (f"{DISTILBERT}cased", f"{DISTILBERT}multilingual-cased"),
    "question_answering": (f"{DISTILBERT}cased", f"{DISTILBERT}multilingual-cased"),
    "multiple_choice": (f"{DISTILBERT}uncased", f"{DISTILBERT}multilingual-cased"),
    "masked_lm": (f"{DISTILBERT}uncased", f"{DISTILBERT}multilingual-cased"),
    "image_classification": ("google/vit-base-patch16-224-in21k",) * 2,
    "audio_classification": ("facebook/wav2vec2-base",) * 2,
    "embeddings": (
        "sentence-transformers/all-MiniLM-L6-v2",
        "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2",
    ),
    "seq2seq_lm": ("google-t5/t5-small", "google/mt5-small"),
    "causal_lm": ("HuggingFaceTB/SmolLM2-135M", "bigscience/bloom-560m"),
    "conversations": ("HuggingFaceTB/SmolLM2-135M-Instruct", "Qwen/Qwen2.5-0.5B-Instruct"),
}
PERCENTILE = 99  # of the lengths; longer rows are truncated
CHARACTERS_PER_TOKEN = 3.5  # where there is no tokenizer to count with
MIN_LENGTH = 16  # tokens
MIN_NEW_TOKENS = 64  # that are generated
DEFAULT_LIMIT = 512  # tokens, where the model names none
UNEVEN = 3.0  # from this ratio of the most frequent label to the rarest, labels are weighted


@dataclass(frozen=True, kw_only=True)
class Model:
    """The base model: a local folder or an id on the Hub."""

    name: str
    folder: Path | None = None
    config: "PretrainedConfig | None" = None  # None: the Hub was not reached
    processor: Any = None

    @property
    def has_encoder(self) -> bool:
        architectures = getattr(self.config, "architectures", None) or ["MaskedLM"]
        return "CausalLM" not in architectures[0] and "LMHead" not in architectures[0]

    @property
    def is_encoder(self) -> bool:
        """Whether its config says that it is one, and has no decoder."""
        return self.config is not None and self.has_encoder and not self.is_encoder_decoder

    @property
    def is_encoder_decoder(self) -> bool:
        return getattr(self.config, "is_encoder_decoder", False)

    @property
    def limit(self) -> int:
        """The most tokens it takes."""
        limits = [getattr(self.config, "max_position_embeddings", None), DEFAULT_LIMIT]
        limits.append(getattr(self.processor, "model_max_length", None))
        return min(limit for limit in limits if limit and limit > 0)

    @property
    def from_scratch(self) -> bool:
        """Whether a folder has a config and a tokenizer, but no weights."""
        return self.folder is not None and not any(
            path.suffix in (".safetensors", ".bin", ".pt") for path in self.folder.iterdir()
        )

    def parameters(self) -> dict[str, Any]:
        """Return the `model` group."""
        if self.folder is None:
            return {"name": self.name, "files": {}}
        from_scratch = {"from_scratch": True} if self.from_scratch else {}
        return {"name": self.name, "files": {self.name: self.folder.as_posix()}, **from_scratch}


def default_model(task: str, columns: Sequence[ColumnProfile]) -> str:
    """Return the id of the model that is fine-tuned where none is named.

    Args:
        task: a key of MODELS.
        columns: those that the task reads.
    """
    cells = [cell for c in columns for cell in c.cells[:200]]
    words = [word for cell in cells for word in (cell if isinstance(cell, list) else [cell])]
    words += [text for word in words if isinstance(word, dict) for text in word.values()]
    text = "".join(word for word in words if isinstance(word, str))
    return MODELS[task][0 if text.isascii() or _is_latin(text) else 1]


def _is_latin(text: str) -> bool:
    return sum(character > "ʯ" for character in text) < len(text) / 20


def measure(columns: Columns, roles: Roles, model: Model) -> tuple[int, str]:
    """Return `max_length`, a multiple of 8, and how it was found.

    Raises:
        InputError: there is no text.
    """
    cells = {n: dict(zip(columns[n].rows, columns[n].cells, strict=True)) for n in roles.texts}
    numbers = sorted({number for column in cells.values() for number in column})[:MAX_CELLS]
    if not numbers:
        raise InputError(f"no text in column {' or '.join(roles.texts)} of train")
    records = [{name: column.get(i, "") for name, column in cells.items()} for i in numbers]
    rows = [_as_read(record, roles, model.processor) for record in records]
    if model.processor is not None:
        ids = [_num_tokens(model.processor, row) for row in rows]
        how = f"{PERCENTILE} % of {len(rows):,} rows have at most"
    else:
        ids = [sum(len(str(cell)) for cell in row) / CHARACTERS_PER_TOKEN + 3 for row in rows]
        how = f"estimated from characters: {PERCENTILE} % of {len(rows):,} rows have about"
    longest = int(np.ceil(np.percentile(ids, PERCENTILE)))
    length = min(-(-longest // 8) * 8, model.limit)
    cut = "" if longest <= length else f"; the model takes {model.limit}, longer rows are cut"
    return max(length, MIN_LENGTH), f"{how} {longest} tokens{cut}"


def measure_written(columns: Columns, roles: Roles, model: Model) -> int:
    """Return how many tokens almost every text has that the task writes, or `MIN_NEW_TOKENS`."""
    task = roles.task
    name = task.get("target_text") or (task.get("text") if {"prompt", "template"} & {*task} else "")
    if chat := task.get("messages"):
        name, lasts = chat, [cell[-1] for cell in columns[chat].cells if cell]
        texts = [str(m.get("content", m.get("value"))) for m in lasts if isinstance(m, dict)]
        columns = {chat: replace(columns[chat], cells=texts, rows=[*range(len(texts))])}
    if not name:
        return MIN_NEW_TOKENS
    written = replace(roles, task={}, texts=(name,))
    longest = min(measure(columns, written, model)[0], model.limit // 2)  # beside the prompt
    return max(longest, MIN_NEW_TOKENS)


def measure_clips(column: ColumnProfile, model: Model) -> tuple[dict[str, Any], str]:
    """Return `max_seconds` and `padding`, and how the length was found.

    Without a config that says that padding changes no prediction, every clip is padded.
    """
    config, longest = model.config, float(np.percentile(column.seconds, PERCENTILE))
    seconds = max(np.ceil(longest * 10) / 10, 0.1)
    model_type = getattr(config, "model_type", None)
    if model_type in (spectrograms := {"audio-spectrogram-transformer": 10.24, "whisper": 30.0}):
        seconds = min(seconds, spectrograms[model_type])
    is_masked = model_type in MASKED and getattr(config, "feat_extract_norm", "") == "layer"
    values = {"max_seconds": float(seconds), "padding": "dynamic" if is_masked else "max_length"}
    return values, f"{PERCENTILE} % of {len(column.seconds):,} clips have at most {longest:.2f} s"


def _as_read(record: dict[str, Any], roles: Roles, tokenizer: Any) -> tuple[Any, ...]:
    """Return what a row's texts are when they are tokenized."""
    if "messages" in roles.task:
        (cell,) = record.values()
        items = [item for item in cell if isinstance(item, dict)]
        text = "\n".join(str(value) for item in items for value in item.values())
        with suppress(ValueError):  # no conversation, or no template for it: of temper check
            if tokenizer is not None:
                text = chat_template.render(tokenizer, messages.read(cell), asks=False)
        return (text,)
    if "template" in roles.task:
        text = text_template.fill(roles.task["template"], {k: str(v) for k, v in record.items()})
        return (text + str(record.get(roles.task.get("text", ""), "")),)
    return tuple(record.values())


def _num_tokens(tokenizer: Any, row: Sequence[Any]) -> int:
    if isinstance(row[0], list):
        return len(tokenizer(row[0], is_split_into_words=True, verbose=False)["input_ids"])
    return len(tokenizer(*map(str, row[:2]), verbose=False)["input_ids"])


def train_settings(task: str, num_rows: int, model: Model) -> dict[str, Any]:
    """Return epochs, batch size and peak learning rate for fine-tuning.

    Rates of about 1e-4 for models of MiniLM's width were best on MRPC (docs/what-helps.md); wider
    ones take those that their authors fine-tuned with.
    """
    width = getattr(model.config, "hidden_size", None) or 768
    rate = 1e-4 if width < 512 else 5e-5 if width < 1024 else 1e-5
    epochs = 10 if num_rows < 500 else 5 if num_rows < 2_000 else 3
    if task == "seq2seq_lm":
        rate = 3e-4
    if model.from_scratch:
        rate, epochs = 1e-3, epochs * 3
    return {
        "epochs": epochs,
        "batch_size": 16 if num_rows < 5_000 and task != "embeddings" else 32,
        "learning_rate": rate,
        "num_threads": min(cores.num_usable(), 8),
    }


def score_settings(roles: Roles) -> dict[str, Any]:
    """Return class weights, the metric that chooses the best checkpoint, and the positive label."""
    task, problem_type = roles.task["name"], roles.task.get("problem_type")
    labels = {name: count for name, count in roles.labels.items() if count}
    ratio = max(labels.values()) / min(labels.values()) if len(labels) > 1 else 1.0
    positive, _ = positive_label(labels)
    metric = {
        "token_classification": "f1",
        "multiple_choice": "accuracy",
        "image_classification": "accuracy",
        "audio_classification": "accuracy",
        "sequence_classification": "accuracy",
    }.get(task, "loss")
    if problem_type == "multi_label_classification":
        metric = "f1_macro"
    elif task == "embeddings":
        metric = "spearman" if "score" in roles.task else "ndcg_at_10"
    elif problem_type == "regression":
        metric = "pearson"
    elif ratio >= UNEVEN:
        metric = "f1" if positive else "f1_macro"
    return {
        "weights": {"class_weights": "balanced"} if ratio >= UNEVEN else {},
        "metric": metric,
        "positive_label": positive,
    }
