"""A source of rows and a model → the text of params.yaml, and what was taken for what."""

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from temper.core.errors import InputError
from temper.ingest import hub_client
from temper.init import document, embeddings, quality, refusals, settings
from temper.init.facts import describe
from temper.init.finders import columns_of, find_roles
from temper.init.profiles import profile
from temper.init.roles import Columns, Roles, Wishes
from temper.init.settings import Model
from temper.init.source import CUT, Source, inside_repository, leave_out_unlabelled, read

DETERMINISM = {"portable": True, "deterministic": True}
TRAIN = {
    "per_device_eval_batch_size": 64,
    "weight_decay": 0.01,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_epsilon": 1e-8,
    "lr_scheduler_type": "linear",
    "warmup_ratio": 0.1,
    "max_grad_norm": 1.0,
}
CHECKPOINTS = {"evaluate_every": "epoch", "save_every": "epoch", "keep_checkpoints": "best"}
EVALUATE = {"zero_shot": {}, "bootstrap_samples": 1000, "num_worst_examples": 50}
QA_WINDOW = 384  # tokens, as BERT was fine-tuned on SQuAD


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A params.yaml, and what the user should know about it."""

    command: str  # that writes it again
    text: str
    facts: list[tuple[str, str]]
    model_folder: Path | None


def propose(source: Source, wishes: Wishes, model_name: str | None, copies: Path) -> Proposal:
    """Read all rows and choose the values of params.yaml.

    Args:
        source: of the rows.
        wishes: of the user.
        model_name: a folder or a Hub id; None: chosen by the task.
        copies: folder into which a model from outside the repository is copied.

    Raises:
        InputError: the rows are broken, or nothing can be learned from their columns.
    """
    notes: dict[str, None] = {}
    columns = profile(read(source, "train", notes.setdefault))
    if not any(column.num_rows for column in columns.values()):
        raise InputError("train has no rows")
    refusals.check_form(source, columns, wishes)
    model = open_model(model_name, copies) if model_name else None
    if model is not None:
        names = ("has_encoder", "is_encoder", "is_encoder_decoder")
        wishes = replace(wishes, **{name: getattr(model, name) for name in names})
    roles = find_roles(columns, wishes)
    refusals.check_labels(source, roles)
    source, left_out = without_unlabelled(source, roles, columns)
    if model is None:
        texts = [columns[name] for name in roles.texts]
        kind = "conversations" if "messages" in roles.task else roles.task["name"]
        model = open_model(settings.default_model(kind, texts), copies)
    roles = embeddings.with_prompts(roles, model.folder)
    parameters, how_long = build(source, columns, roles, model)
    known = quality.apply(wishes.quality, parameters, roles, model)
    facts = describe(source, columns, roles, model, parameters, how_long)
    facts[:0] = [("read as", note) for note in notes]
    facts += [*left_out, *([("quality", known)] if known else [])]
    command = again(source, wishes, model if model_name else None)
    headings = [f"Written by `{command}`.", "All keys: docs/parameters.md", *filter(None, [known])]
    return Proposal(
        command=command,
        text=document.write(parameters, headings),
        facts=facts,
        model_folder=model.folder,
    )


def without_unlabelled(
    source: Source, roles: Roles, columns: Columns
) -> tuple[Source, list[tuple[str, str]]]:
    """Return the source without its unlabelled files, and a fact about each of these."""
    targets = columns_of(roles, columns).difference(roles.texts)
    source, left_out = leave_out_unlabelled(source, roles.texts, targets)
    why = "it has no labels to score; `temper predict` labels it"
    return source, [("left out", f"{place}: {why}") for place in left_out]


def again(source: Source, wishes: Wishes, model: Model | None) -> str:
    """Return the command that proposes the same again, with places in the repository."""
    options = [("task", wishes.task), *(("text", name) for name in wishes.text)]
    options += [("label", wishes.label), ("config", wishes.config)]
    options.append(("quality", wishes.quality if wishes.quality != "good" else None))
    options.append(("model", model and str(model.folder or model.name)))
    given = [word for option, value in options if value for word in (f"--{option}", value)]
    return shlex.join(["temper", "init", source.place, *given])


def open_model(name: str, copies: Path) -> Model:
    """Load a model's config and tokenizer, as far as they are to be had.

    Raises:
        InputError: there is no such folder, and no such model on the Hub.
    """
    from transformers import AutoConfig, AutoTokenizer

    path = Path(name).expanduser()
    folder = inside_repository(path, copies) if path.is_dir() else None
    is_reached = folder is None and check_model_id(name)
    origin: Any = name if folder is None else str(folder)
    loaded: dict[str, Any] = {}
    for key, auto in (("config", AutoConfig), ("processor", AutoTokenizer)):
        try:  # a broken folder is what `temper check` reports
            loaded[key] = auto.from_pretrained(origin, local_files_only=not is_reached)
        except Exception:
            loaded[key] = None
    name = folder.name if folder is not None else name
    return Model(name=name, folder=folder, **loaded)


def check_model_id(name: str) -> bool:
    """Return whether the Hub answers.

    Raises:
        InputError: it does not know this name, or the name is that of a folder.
    """
    from huggingface_hub import HfApi, errors

    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise InputError(f"--model: no such folder: {name}")
    hub_client.limit_waits()
    try:
        HfApi().model_info(name)
    except errors.RepositoryNotFoundError as error:
        raise InputError(f"--model: neither a folder nor a model on the Hub: {name}") from error
    except Exception:  # not reached: the download will say what is wrong
        return False
    return True


def build(
    source: Source, columns: Columns, roles: Roles, model: Model
) -> tuple[dict[str, Any], str | None]:
    """Return the values of params.yaml by group, and how the length was found."""
    num_rows = next(iter(columns.values())).num_rows
    train = settings.train_settings(roles.task["name"], num_rows, model)
    score = settings.score_settings(roles)
    tokenize, how_long = _tokenize(columns, roles, model)
    parameters = {
        "seed": 42,
        "code": {},
        "determinism": {"num_threads": train.pop("num_threads"), **DETERMINISM},
        "task": roles.task,
        "data": {
            **source.parameters(),
            "split": {"validation": CUT, "test": CUT, "seed": 7} | _group(source, roles),
            **({"extra_columns": [*roles.ids]} if roles.ids else {}),
            "license": None,
            "description": None,
        },
        "model": model.parameters(),
        "tokenize": {**tokenize, "synonym_files": {}, "translators": {}},
        "train": {
            "engine": "loop",
            "launch": "single",
            **train,
            **TRAIN,
            **score["weights"],
            **CHECKPOINTS,
            "metric_for_best_model": score["metric"],
        },
        "evaluate": {
            "batch_size": 64,
            "positive_label": score["positive_label"],
            **_evaluate(columns, roles, model),
            **EVALUATE,
        },
        "export": {"name": source.title, "license": None},
    }
    return parameters, how_long


def _group(source: Source, roles: Roles) -> dict[str, str]:
    return {"group": roles.group} if roles.group is not None and source.missing else {}


def _tokenize(columns: Columns, roles: Roles, model: Model) -> tuple[dict[str, Any], str | None]:
    if "audio" in roles.task:
        return settings.measure_clips(columns[roles.task["audio"]], model)
    if not roles.texts:
        return {}, None
    task, together = roles.task["name"], [roles.texts]
    if task == "embeddings":  # each text is encoded by itself
        names = [roles.task[k] for k in ("anchor", "positive", "negative") if k in roles.task]
        together = [(name,) for name in names or roles.texts]
    length, how = max(
        settings.measure(columns, replace(roles, texts=texts), model) for texts in together
    )
    values: dict[str, Any] = {"max_length": length}
    if task == "question_answering":  # longer texts are read in windows
        length = min(model.limit, QA_WINDOW)
        values = {"max_length": length, "stride": length // 3}
        how = "longer texts are read in windows that overlap"
    elif task in ("sequence_classification", "token_classification"):
        values["overflow"] = "truncate"
    elif task == "seq2seq_lm":
        targets = replace(roles, task={}, texts=(roles.task["target_text"],))
        values["max_target_length"], _ = settings.measure(columns, targets, model)
    return values | {"padding": "dynamic"}, how


def _evaluate(columns: Columns, roles: Roles, model: Model) -> dict[str, Any]:
    task = roles.task["name"]
    if task == "question_answering":
        is_answered = columns[roles.task["answers"]].num_hollow == 0
        threshold = {} if is_answered else {"no_answer_threshold": 0.0}  # else it always answers
        return {"span_decoding": {"n_best": 20, "max_answer_length": 30} | threshold}
    if task in ("seq2seq_lm", "causal_lm"):
        longest = settings.measure_written(columns, roles, model)
        generation = {"max_new_tokens": longest, "num_beams": 1, "length_penalty": 1.0}
        return {"generation": generation}
    if roles.task.get("problem_type") == "multi_label_classification":
        return {"threshold": 0.5}
    return {}
