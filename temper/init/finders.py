"""Described columns → the task, and what every column is for.

A role goes by the name of a column where names say it, and else by what the column holds. What
neither tells is asked.
"""

import shlex
from collections.abc import Callable, Sequence
from typing import Any

from temper.core.errors import InputError, nearest
from temper.init import answers, choices, embeddings, labels, prompts, tags
from temper.init import texts as text_of
from temper.init.names import GROUPS, LABELS, LANGUAGES, PAIRS, PROMPTS, SUMMARIES, TRANSLATIONS
from temper.init.profiles import ColumnProfile
from temper.init.refusals import image_paths, listed
from temper.init.roles import Columns, Roles, Wishes, make_roles
from temper.params import text_template

NO_SUMMARIES = (
    "if these are translations, write task.problem_type: translation; it is scored by BLEU"
)


def find_roles(columns: Columns, wishes: Wishes) -> Roles:
    """Choose the task and say what each column is for.

    Raises:
        InputError: no task of these columns is known, a wish names a column or task that does not
            exist, or a choice cannot be asked for.
    """
    _check_wishes(columns, wishes)
    if (roles := prompts.find_conversations(columns, wishes)) is not None:
        return roles
    wished = {part for name in wishes.text for part in text_of.split(name, columns)}
    wished |= {*filter(None, [wishes.label])}
    names = text_of.TEMPLATED if text_of.is_joined(wishes, columns) else FINDERS
    for name in [n for n in names if wishes.task in (None, n)]:
        for find in FINDERS[name]:
            roles = find(columns, wishes)
            if roles is not None and wished <= (read := columns_of(roles, columns)):
                prompts.check_conversations(columns, read, name)
                return roles
    raise InputError(
        f"found no {wishes.task or 'task'} in the columns {listed(columns)}; name columns with "
        f"--text and --label, or start from a recipe: temper recipe{image_paths(columns)}"
    )


def _check_wishes(columns: Columns, wishes: Wishes) -> None:
    wished = [part for name in wishes.text for part in text_of.split(name, columns)]
    for option, names in (("--text", wished), ("--label", filter(None, [wishes.label]))):
        for name in names:
            if name not in columns:
                raise InputError(
                    f"{option}: no column {name!r}{nearest(name, list(columns))}; there are "
                    f"{listed(columns)}"
                )
    most = 1 if text_of.is_joined(wishes, columns) else 2
    if wishes.label in wished or len(wishes.text) > most:
        raise InputError(
            "--text: name one column, two for a pair, or 'a, b' for one text of several, and not "
            "that of --label"
        )
    if wishes.task not in (None, *FINDERS):
        raise InputError(
            f"--task: no task {wishes.task!r}{nearest(wishes.task, list(FINDERS))}; there are "
            f"{', '.join(FINDERS)}"
        )


def columns_of(roles: Roles, columns: Columns) -> set[str]:
    """Return the columns that the task reads."""
    read: set[str] = set()
    for key, value in roles.task.items():
        if key == "template":
            read |= {*text_template.columns(value)}
        elif key not in ("name", "problem_type", "labels"):
            read |= {*value} if isinstance(value, list) else {str(value)}
    return read & columns.keys()


def _images(columns: Columns, wishes: Wishes) -> Roles | None:
    return _files(columns, wishes, "image", [n for n, c in columns.items() if _holds_files(c)])


def _audio(columns: Columns, wishes: Wishes) -> Roles | None:
    return _files(columns, wishes, "audio", [n for n, c in columns.items() if c.seconds])


def _files(columns: Columns, wishes: Wishes, medium: str, found: list[str]) -> Roles | None:
    """Return the roles of images or clips, the first of the columns found, and their label."""
    if not found:
        return None
    label = _find_label(columns, wishes, exclude=found)
    task = {"name": f"{medium}_classification", medium: found[0], "label": label}
    counts = dict(columns[label].counts)
    notes = tuple(labels.doubts(counts))
    return make_roles(columns, task, [*found, label], labels=counts, notes=notes)


def _holds_files(column: ColumnProfile) -> bool:
    is_dict = column.types == {"dict"} and "bytes" in column.cells[0]
    return bool(column.types & {"bytes"}) or is_dict


def _generation(columns: Columns, wishes: Wishes) -> Roles | None:
    """Find a source and a target by their names, or where the model writes texts of texts."""
    writes = wishes.task is not None or wishes.is_encoder_decoder
    *source, target = prompts.ALPACA
    is_found = prompts.is_alpaca(columns, wishes)
    if wishes.label and text_of.is_joined(wishes, columns):
        source, target = [*text_of.split(wishes.text[0], columns)], wishes.label
        is_found = wishes.task is not None or not columns[target].is_categorical
    if is_found and writes:
        task = {"name": "seq2seq_lm", "problem_type": "summarization"}
        task |= {"template": text_of.template(source), "target_text": target}
        return make_roles(columns, task, [*source, target], texts=source, notes=(NO_SUMMARIES,))
    wished = [(name, wishes.label) for name in wishes.text if wishes.label and writes]
    spoken = [name for name in columns if name.lower() in LANGUAGES]  # from the first one
    languages = [(spoken[0], spoken[1])] if len(spoken) == 2 else []
    others = [name for name, c in columns.items() if c.is_text]
    is_open = wishes.is_encoder_decoder and not (wishes.text or wishes.label)
    two = [*PROMPTS, (others[0], others[1])] if is_open and len(others) == 2 else []
    kinds = {
        "translation": (*TRANSLATIONS, *languages),
        "summarization": (*wished, *SUMMARIES, *two),
    }
    for problem_type, pairs in kinds.items():
        for source, target in pairs:
            if {source, target} <= {*columns} and not columns[target].is_categorical:
                task = {"name": "seq2seq_lm", "problem_type": problem_type}
                task |= {"source": source, "target_text": target}
                is_guess = problem_type == "summarization" and (source, target) not in SUMMARIES
                notes = (NO_SUMMARIES,) * is_guess
                return make_roles(columns, task, [source, target], texts=[source], notes=notes)
    return None


def _classes(columns: Columns, wishes: Wishes) -> Roles | None:
    """Find texts with a label, several labels or a number."""
    if len(columns) < 2 or not (wishes.text or any(c.is_text for c in columns.values())):
        return None
    flags = [name for name, c in columns.items() if c.holds_flags]
    named = [name for name in columns if name.lower() in LABELS or name == wishes.label]
    if len(flags) > 1 and not named:
        label: str | list[str] = flags
    elif named or any(c.is_categorical for c in columns.values()):
        label = _find_label(columns, wishes)
    else:
        return None
    used = [label] if isinstance(label, str) else label
    texts = text_of.find(columns, wishes, exclude=used)
    joined = text_of.split(texts[0], columns)
    reads: dict[str, Any] = {"text": texts}
    if len(joined) > 1:
        texts, reads = [*joined], {"template": text_of.template(joined)}
    task: dict[str, Any] = {"name": "sequence_classification", **reads, "label": label}
    notes: tuple[str, ...] = ()
    if len(wishes.text) == 2 and wishes.text not in PAIRS:
        together = shlex.quote(", ".join(texts))
        notes = (f"a pair of texts; --text {together} makes one text of both",)
    counts: dict[str, int] = {}
    if isinstance(label, str):
        more, counts, on_labels = labels.read_labels(columns[label])
        task |= more
        notes += on_labels
    else:
        task["problem_type"] = "multi_label_classification"
    if task.get("problem_type") == "regression" and len(texts) == 2:
        notes += ("--task embeddings gives each text a vector; the score is their similarity",)
    others = [name for name, c in columns.items() if c.is_text and name not in (*texts, *used)]
    if others:
        together = shlex.quote(", ".join(n for n in columns if n in (*texts, *others)))
        notes += (f"{', '.join(others)}: more texts; --text {together} makes one text of all",)
    return make_roles(columns, task, [*texts, *used], texts=texts, labels=counts, notes=notes)


def _plain_texts(columns: Columns, wishes: Wishes) -> Roles | None:
    texts = [name for name, c in columns.items() if c.is_text or name in ("text", *wishes.text)]
    if not texts or (wishes.task is None and any(c.is_categorical for c in columns.values())):
        return None
    notes = ()
    if len(texts) == 2 and not wishes.text:
        pair = " ".join(f"--text {shlex.quote(name)}" for name in texts)
        notes = (f"two texts; to search one with the other: --task embeddings {pair}",)
    texts = text_of.find(columns, wishes, exclude=()) if len(texts) > 1 or wishes.text else texts
    joined = text_of.split(texts[0], columns)
    reads = {"text": joined[0]} if len(joined) == 1 else {"template": text_of.template(joined)}
    task: dict[str, Any] = {"name": "causal_lm"} | reads
    if wishes.task == "masked_lm" or (wishes.task is None and wishes.has_encoder):
        task |= {"name": "masked_lm", "mask_probability": 0.15, "whole_word": True}
    return make_roles(columns, task, joined, texts=joined, notes=notes)


def _find_label(columns: Columns, wishes: Wishes, exclude: Sequence[str] = ()) -> str:
    if wishes.label is not None:
        return wishes.label
    named = [name for key in LABELS for name in columns if name.lower() == key]
    named = [name for name in named if name not in exclude and not columns[name].is_text]
    few = [n for n, c in columns.items() if n not in exclude and c.is_categorical]
    found = named[:1] or [name for name in few if name.lower() not in GROUPS]
    if len(found) == 1:
        labels.check_number(columns[found[0]])
        return found[0]
    candidates = found or [name for name in columns if name not in exclude]
    return wishes.choose("which column holds the label?", candidates, None, "--label")


FINDERS: dict[str, tuple[Callable[[Columns, Wishes], Roles | None], ...]] = {
    "audio_classification": (_audio,),
    "image_classification": (_images,),
    "token_classification": (tags.find,),
    "question_answering": (answers.find,),
    "multiple_choice": (choices.find,),
    "embeddings": (embeddings.find,),
    "seq2seq_lm": (_generation,),
    "sequence_classification": (prompts.find_short, _classes),
    "causal_lm": (prompts.find, _plain_texts),
    "masked_lm": (_plain_texts,),
}
