"""A base model's tokenizer: checked against model and task, limited to the model's positions."""

from pathlib import Path
from typing import TYPE_CHECKING

from temper.core.errors import InputError
from temper.params.model import ModelParams
from temper.params.task import Seq2SeqLM
from temper.tasks.base import Task, chat_template, languages

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

POSITIONS_AFTER_PADDING = (  # begin with that after the pad token's id; and every RoBERTa
    "camembert", "data2vec-text", "esm", "ibert", "layoutlmv3", "lilt", "longformer", "luke",
    "markuplm", "mpnet", "xmod",
)  # fmt: skip


def fit(tokenizer: "PreTrainedTokenizerBase", config: "PretrainedConfig", name: str) -> None:
    """Check a tokenizer against the model, and limit its length to the model's positions.

    Raises:
        InputError: more tokens than embeddings.
    """
    vocab_size = getattr(config, "vocab_size", None)
    if vocab_size is not None and len(tokenizer) > vocab_size:
        raise InputError(
            f"model {name}: the tokenizer has {len(tokenizer)} tokens, the model embeds "
            f"{vocab_size}; set model.config.vocab_size to {len(tokenizer)} (from scratch), or use "
            "the tokenizer that belongs to the model"
        )
    positions = getattr(config, "max_position_embeddings", None)
    if positions is not None and positions > 0:  # XLNet says -1: any number
        is_offset = config.model_type in POSITIONS_AFTER_PADDING or "roberta" in config.model_type
        offset = (config.pad_token_id or 0) + 1 if is_offset else 0
        tokenizer.model_max_length = min(tokenizer.model_max_length, positions - offset)


def check_pair_head(tokenizer: "PreTrainedTokenizerBase", params: ModelParams) -> None:
    """Check that the tokenizer tells two texts apart where the head pools each.

    Raises:
        InputError: it does not.
    """
    is_pair = params.head is not None and params.head.pooling == "pair"
    if is_pair and "token_type_ids" not in tokenizer.model_input_names:
        raise InputError(
            "model.head.pooling: pair needs to know which text each token belongs to, and the "
            f"tokenizer of {params.name} returns no token_type_ids: use mean, or a model with "
            "token types such as BERT"
        )


def check_special_tokens(
    tokenizer: "PreTrainedTokenizerBase",
    config: "PretrainedConfig",
    folder: Path,
    params: ModelParams,
    task: Task,
) -> None:
    """Check that the tokenizer has the special tokens that the task, the model and padding need.

    Raises:
        InputError: it lacks one; says where to set it.
    """
    missing = [name for name in task.special_tokens if getattr(tokenizer, name) is None]
    if tokenizer.pad_token is None and tokenizer.eos_token is None:
        missing += ["pad_token"] * (not missing)
    if missing:
        known = ", ".join(map(repr, tokenizer.all_special_tokens)) or "none"
        raise InputError(
            f"model {params.name}: the tokenizer has no {missing[0]}, which {task.params.name} "
            f"needs; its special tokens are {known}: set {missing[0]} in "
            f"{folder / 'tokenizer_config.json'}"
        )
    if is_plain_classifier(params, task) and config.is_encoder_decoder:
        end = config.eos_token_id  # whose state is classified
        if end not in tokenizer("a")["input_ids"]:
            raise InputError(
                f"model {params.name}: {config.model_type} classifies a text by its end token, "
                f"{end} in {folder / 'config.json'}, and its tokenizer adds none; set eos_token_id "
                "to a token that it adds, or use a tokenizer that ends texts"
            )
    _check_end(tokenizer, folder / "tokenizer.json", params, task)


def _check_end(
    tokenizer: "PreTrainedTokenizerBase", file: Path, params: ModelParams, task: Task
) -> None:
    """Check that texts to go on from have no end, and that targets have one.

    A chat template writes all of a conversation; the tokenizer adds nothing to it.

    Raises:
        InputError: a text has, or a target has not.
    """
    writes_on = task.auto_model == "AutoModelForCausalLM" and not _learns_conversations(task)
    if writes_on and tokenizer("a")["input_ids"][-1:] == [tokenizer.eos_token_id]:
        raise InputError(
            f"model {params.name}: its tokenizer ends every text with {tokenizer.eos_token!r}, "
            "after which a model writes nothing more, and causal_lm ends texts itself: remove the "
            f"token from the post_processor of {file}"
        )
    learns_to_end = task.auto_model == "AutoModelForSeq2SeqLM"
    if learns_to_end and tokenizer.eos_token_id not in tokenizer(text_target="a")["input_ids"]:
        raise InputError(
            f"model {params.name}: its tokenizer does not end targets with "
            f"{tokenizer.eos_token!r}, so that a model would not learn to end its texts: add the "
            f"token to the post_processor of {file}"
        )


def _learns_conversations(task: Task) -> bool:
    return "messages" in task.params.inputs.values()


def is_plain_classifier(params: ModelParams, task: Task) -> bool:
    """Say whether texts are classified by the head of a transformers class."""
    has_own_head = params.head is None or params.head.kind == "new"
    is_classifier = task.auto_model == "AutoModelForSequenceClassification"
    return is_classifier and has_own_head and params.custom_class is None


def add_tokens(tokenizer: "PreTrainedTokenizerBase", params: ModelParams) -> None:
    """Add `model.new_tokens`; train adds their embeddings.

    Raises:
        InputError: a token is already in the vocabulary.
    """
    for token in params.new_tokens or ():
        if token in tokenizer.get_vocab():
            raise InputError(f"model.new_tokens: {token!r} is already in the vocabulary; remove it")
    tokenizer.add_tokens(list(params.new_tokens or ()))


def end_turns(tokenizer: "PreTrainedTokenizerBase", params: ModelParams, task: Task) -> None:
    """Make what ends an answer in the chat template the end token, if conversations are learned.

    Raises:
        InputError: see `chat_template.find_frame`.
    """
    if not _learns_conversations(task):
        return
    try:
        end = chat_template.find_frame(tokenizer).end
    except InputError as error:
        raise InputError(f"model {params.name}: {error}") from None
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(end)


def set_languages(tokenizer: "PreTrainedTokenizerBase", params: ModelParams, task: Task) -> None:
    """Let a multilingual tokenizer write the languages of `task`, if texts are translated.

    Raises:
        InputError: see `languages.set_languages`.
    """
    if isinstance(task.params, Seq2SeqLM):
        source, target = task.params.source_language, task.params.target_language
        languages.set_languages(tokenizer, source, target, params.name)
