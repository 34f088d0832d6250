"""A source of rows and a model → the text of params.yaml, and what was taken for what."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from temper.core.errors import InputError
from temper.init import document, settings
from temper.init.finders import find_roles
from temper.init.labels import positive_label
from temper.init.profiles import profile
from temper.init.roles import Columns, Roles, Wishes
from temper.init.settings import Model
from temper.init.source import CUT, Source, inside_repository, read

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
MAX_LABELS = 8  # that are shown with their counts


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A params.yaml, and what the user should know about it."""

    text: str
    facts: list[tuple[str, str]]
    model_folder: Path | None


def propose(
    source: Source, wishes: Wishes, model_name: str | None, copies: Path, command: str
) -> Proposal:
    """Read all rows and choose the values of params.yaml.

    Args:
        source: of the rows.
        wishes: of the user.
        model_name: a folder or a Hub id; None: chosen by the task.
        copies: folder into which a model from outside the repository is copied.
        command: for the first line of the file.

    Raises:
        InputError: the rows are broken, or nothing can be learned from their columns.
    """
    notes: dict[str, None] = {}
    columns = profile(read(source, "train", notes.setdefault))
    if not any(column.num_rows for column in columns.values()):
        raise InputError("train has no rows")
    model = open_model(model_name, copies) if model_name else None
    if model is not None:
        wishes = replace(wishes, has_encoder=model.has_encoder)
    roles = find_roles(columns, wishes)
    if model is None:
        texts = [columns[name] for name in roles.texts]
        model = open_model(settings.default_model(roles.task["name"], texts), copies)
    parameters, how_long = build(source, columns, roles, model)
    facts = describe(source, columns, roles, model, parameters, how_long)
    facts[:0] = [("read as", note) for note in notes]
    return Proposal(
        text=document.write(parameters, f"Written by `{command}`. All keys: docs/parameters.md"),
        facts=facts,
        model_folder=model.folder,
    )


def open_model(name: str, copies: Path) -> Model:
    """Load a model's config and tokenizer, as far as they are to be had.

    Raises:
        InputError: there is no such folder, and no such model on the Hub.
    """
    from transformers import AutoConfig, AutoTokenizer

    path = Path(name).expanduser()
    folder = inside_repository(path, copies) if path.is_dir() else None
    if folder is None:
        check_model_id(name)
    origin: Any = name if folder is None else str(folder)
    loaded: dict[str, Any] = {}
    for key, auto in (("config", AutoConfig), ("processor", AutoTokenizer)):
        try:  # a broken folder is what `temper check` reports
            loaded[key] = auto.from_pretrained(origin, local_files_only=folder is not None)
        except Exception:
            loaded[key] = None
    name = folder.name if folder is not None else name
    return Model(name=name, folder=folder, **loaded)


def check_model_id(name: str) -> None:
    """Refuse a name that is no folder and that the Hub, if it answers, does not know."""
    from huggingface_hub import HfApi, errors

    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise InputError(f"--model: no such folder: {name}")
    try:
        HfApi().model_info(name)
    except errors.RepositoryNotFoundError as error:
        raise InputError(f"--model: neither a folder nor a model on the Hub: {name}") from error
    except Exception:  # not reached: the download will say what is wrong
        return


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
            **_evaluate(roles),
            **EVALUATE,
        },
        "export": {"name": source.title, "license": None},
    }
    return parameters, how_long


def _group(source: Source, roles: Roles) -> dict[str, str]:
    return {"group": roles.group} if roles.group is not None and source.missing else {}


def _tokenize(columns: Columns, roles: Roles, model: Model) -> tuple[dict[str, Any], str | None]:
    if not roles.texts:
        return {}, None
    length, how = settings.measure(columns, roles, model)
    values: dict[str, Any] = {"max_length": length}
    task = roles.task["name"]
    if task == "question_answering":  # longer texts are read in windows
        length = min(model.limit, QA_WINDOW)
        values = {"max_length": length, "stride": length // 3}
        how = "longer texts are read in windows that overlap"
    elif task in ("sequence_classification", "token_classification"):
        values["overflow"] = "truncate"
    elif task == "seq2seq_lm":
        targets = replace(roles, texts=(roles.task["target_text"],))
        values["max_target_length"], _ = settings.measure(columns, targets, model)
    return values | {"padding": "dynamic"}, how


def _evaluate(roles: Roles) -> dict[str, Any]:
    task = roles.task["name"]
    if task == "question_answering":
        return {"span_decoding": {"n_best": 20, "max_answer_length": 30}}
    if task in ("seq2seq_lm", "causal_lm"):
        generation = {"max_new_tokens": 64, "num_beams": 1, "length_penalty": 1.0}
        return {"generation": generation}
    if roles.task.get("problem_type") == "multi_label_classification":
        return {"threshold": 0.5}
    return {}


def describe(
    source: Source,
    columns: Columns,
    roles: Roles,
    model: Model,
    parameters: dict[str, Any],
    how_long: str | None,
) -> list[tuple[str, str]]:
    """List what each column was taken for, and what was chosen, as (name, fact)."""
    task = roles.task
    kind = ", ".join(filter(None, [task["name"], task.get("problem_type")]))
    used = {k: v for k, v in task.items() if k not in ("name", "problem_type", "labels")}
    columns_of = {k: v for k, v in used.items() if _names_column(v, columns)}
    facts = [("task", kind)]
    facts += [(key, ", ".join(v) if isinstance(v, list) else v) for key, v in columns_of.items()]
    if roles.labels:
        facts.append(("labels", _count(roles.labels)))
    positive, is_named = positive_label(roles.labels)
    if parameters["evaluate"]["positive_label"]:
        why = "" if is_named else ": precision, recall and F1 are about it; its name does not tell"
        facts.append(("positive", f"{positive}{why}"))
    if roles.group:
        facts.append(("group", f"{roles.group}: its rows stay in one split"))
    if roles.ids:
        facts.append(("ids", f"{', '.join(roles.ids)}: kept beside the predictions"))
    if roles.unused:
        facts.append(("not used", ", ".join(roles.unused)))
    facts += [("note", note) for note in roles.notes]
    where = "" if model.config is not None or model.folder else " (the Hub was not reached)"
    where = ": it has no weights, so it is trained from scratch" if model.from_scratch else where
    facts.append(("model", f"{model.name}{where}"))
    if how_long:
        facts.append(("max_length", f"{parameters['tokenize']['max_length']}: {how_long}"))
    facts += [("split", f"{split}: {place}") for split, place in source.splits.items()]
    facts += [("split", f"{split}: {CUT:.0%} of train") for split in source.missing]
    if "class_weights" in parameters["train"]:
        facts.append(("weights", "balanced, for the labels are uneven"))
    return facts


def _count(labels: dict[str, int]) -> str:
    shown = sorted(labels.items(), key=lambda item: -item[1])[:MAX_LABELS]
    more = [f"{len(labels) - MAX_LABELS} more"] if len(labels) > MAX_LABELS else []
    return ", ".join([f"{name} {count:,}" for name, count in shown] + more)


def _names_column(value: Any, columns: Columns) -> bool:
    values = value if isinstance(value, list) else [value]
    return all(isinstance(item, str) and item in columns for item in values)
