"""Checks of the local data: columns, rows, labels and splits; and the counts that are reported.

Reads each split once, a batch in memory at a time, with the readers that download uses.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from temper.check import label_checks
from temper.check.findings import Findings
from temper.core.errors import nearest
from temper.ingest import answers, dataset, local_files, overlap, row_selection
from temper.ingest.columns import ColumnBatch, num_rows
from temper.ingest.label_encoder import LabelEncoder
from temper.ingest.split_stats import SplitStats, read_split
from temper.ingest.text_files import Note
from temper.params import evaluate_rules, rules, text_template
from temper.params.schema import Params
from temper.params.task import TaskParams
from temper.params.task_schema import MEDIA
from temper.training import optimizer

WINDOWED = ("answers", None)  # types of the target with which an example may give several rows


@dataclass(kw_only=True)
class LocalSplit:
    """A split of data.files whose files can be opened."""

    files: list[Path]
    columns: list[str]  # after data.rename
    missing: list[str] = field(default_factory=list)  # columns to read as empty


def check(parameters: Params, findings: Findings) -> None:
    """Report mistakes in the files of each split, and the counts of their rows and labels."""
    data, before = parameters.data, len(findings.mistakes)
    with findings.named("data"):
        row_selection.check_split_names(data.files, data)
    names_are_valid = len(findings.mistakes) == before
    splits = find_splits(parameters, findings)
    check_columns(parameters, splits, findings)
    if len(splits) == len(data.files):  # else a file that was not read may be one
        with findings.named("data.csv"):
            local_files.check_csv((file for s in splits.values() for file in s.files), data.csv)
    stats = read_splits(parameters, splits, findings)
    rows: row_selection.Selection = {}
    filtered: dict[str, int] = {}
    if "train" in stats and names_are_valid:
        with findings.named("data.split"):
            rows, filtered = row_selection.select_rows(stats, parameters.task, data)
    encoder = check_labels(parameters, stats, rows, findings)
    check_target(parameters, splits, stats, findings)
    if rows:
        check_splits(parameters, stats, rows, encoder, findings)
    if filtered:
        dropped = ", ".join(f"{count:,} of {split}" for split, count in filtered.items())
        findings.facts["filter"] = f"drops {dropped}"


def find_splits(parameters: Params, findings: Findings) -> dict[str, LocalSplit]:
    """Find the files of each split and read their columns; leave out those that have none."""
    data, splits = parameters.data, {}
    for split, name in data.files.items():
        with findings.at(f"data.files.{split}"):
            files = local_files.find_files(name, split, data.glob)
            names = local_files.column_names(files[0], data.csv)
            batches = iter([{column: [] for column in names}])
            with findings.named("data.rename"):
                renamed = dataset.rename_columns(batches, parameters.task, data, split)
                splits[split] = LocalSplit(files=files, columns=list(next(renamed, {})))
    return splits


def read_splits(
    parameters: Params, splits: dict[str, LocalSplit], findings: Findings
) -> dict[str, SplitStats]:
    """Read each split; those with a broken row are reported and left out.

    So are those that lack a column of files or conversations, which has no empty value.
    """
    data, stats = parameters.data, {}
    notes: dict[str, None] = {}  # on how files are read, once each
    needed = {n for n, kind in parameters.task.inputs.items() if kind in (*MEDIA, "messages")}
    for split, local in splits.items():
        if needed & {*local.missing}:
            continue
        with findings.at(f"data.files.{split}", f"{data.files[split]}: "):
            batches = read(local, split, parameters, notes.setdefault)
            stats[split] = read_split(batches, parameters.task, data, split)
    for split, split_stats in stats.items():
        notes |= dict.fromkeys(f"{split}: {note}" for note in split_stats.describe_notes())
    decoding, key = parameters.evaluate.span_decoding, "evaluate.span_decoding.no_answer_threshold"
    always_answers = decoding is not None and decoding.no_answer_threshold is None
    if always_answers and any(s.notes[answers.UNANSWERED] for s in stats.values()):
        notes[f"these are answered all the same; {key}: 0.0 lets the model say none"] = None
    if notes:
        findings.facts["files"] = "\n".join(notes)
    return stats


def check_labels(
    parameters: Params,
    stats: dict[str, SplitStats],
    rows: row_selection.Selection,
    findings: Findings,
) -> LabelEncoder | None:
    """Report labels that do not fit the task; see `label_checks.check`."""
    data = parameters.data
    counts = {split: split_stats.label_counts for split, split_stats in stats.items()}
    if any(counts.values()):
        counts = row_selection.label_counts(stats, rows, data) if rows else counts
        counts = {split: labels for split, labels in counts.items() if stats[split].num_labelled}
        return label_checks.check(parameters, counts, findings)
    return None


def check_target(
    parameters: Params,
    splits: dict[str, LocalSplit],
    stats: dict[str, SplitStats],
    findings: Findings,
) -> None:
    """Report a train whose rows all lack the target."""
    task = parameters.task
    if task.target is None or "train" not in stats or stats["train"].num_labelled:
        return
    if set(task.label_columns) & set(splits["train"].columns):
        names, file = ", ".join(task.label_columns), parameters.data.files["train"]
        message = f"column {names!r} of {file} has {task.no_label[1]}"
        findings.add(key_of(task, task.label_columns[0]), message)


def check_columns(parameters: Params, splits: dict[str, LocalSplit], findings: Findings) -> None:
    """Report the columns that splits lack, and set their `missing`. Only train must have labels."""
    task, data = parameters.task, parameters.data
    predicted = task.for_prediction().inputs  # others are read with the split
    required = [
        (key_of(task, name), name, list(splits) if name in predicted else ["train"])
        for name in task.inputs
    ]
    required += [("data.extra_columns", name, list(splits)) for name in data.extra_columns]
    if data.split.group is not None:
        required.append(("data.split.group", data.split.group, ["train"]))
    labels = [name for name in task.label_columns if name not in task.inputs]
    if len(labels) == 1:  # several are checked where they are joined
        required.append((key_of(task, labels[0]), labels[0], ["train"]))
    for key, name, in_splits in required:
        accepted = {name, name.split(".")[0]}  # a.b is the field b of the column a
        lacking = [s for s in in_splits if s in splits and not accepted & set(splits[s].columns)]
        for split in lacking:
            if task.target is None or name != task.target[0]:
                splits[split].missing.append(name)
        if lacking:
            columns = splits[lacking[0]].columns
            where = ", ".join(f"{split} ({data.files[split]})" for split in lacking)
            findings.add(
                key,
                f"no column {name!r} in {where}{nearest(name, columns)}; "
                f"{lacking[0]} has {', '.join(columns)}",
            )


def key_of(task: TaskParams, column: str) -> str:
    """Return the key of params.yaml that names a column, alone or in a list."""
    for key in type(task).model_fields:
        value = getattr(task, key)
        if key == "template" and value is not None:
            value = text_template.columns(value)
        value = tuple(value.values()) if isinstance(value, dict) else value
        if value == column or (isinstance(value, tuple) and column in value and key != "labels"):
            return f"task.{key}"
    return "task"


def read(local: LocalSplit, split: str, parameters: Params, note: Note) -> Iterator[ColumnBatch]:
    """Yield a split's batches, missing columns filled in so that the rest is still checked.

    Raises:
        InputError: a broken row.
    """
    task, data = parameters.task, parameters.data
    empty = {name: "?" if name == data.split.group else "" for name in local.missing}
    batches = local_files.read(local.files, data.csv, note, local_files.reach_of(data.files[split]))
    for columns in dataset.rename_columns(batches, task, data, split):
        yield columns | {name: [value] * num_rows(columns) for name, value in empty.items()}


def check_splits(
    parameters: Params,
    stats: dict[str, SplitStats],
    rows: row_selection.Selection,
    encoder: LabelEncoder | None,
    findings: Findings,
) -> None:
    """Report overlapping splits and a missing validation split; count the rows."""
    p, data = parameters.train, parameters.data
    with findings.at("data.overlap", "data.overlap: "):
        rows, shared = overlap.resolve_overlap(stats, rows, data.overlap)
        if lines := overlap.describe(data, shared):
            findings.facts["overlap"] = "\n".join(lines)
    with findings.named("data.subset"):
        rows, _ = row_selection.draw_subsets(stats, rows, data)
    sizes = {name: len(indices) for name, (_, indices) in rows.items()}
    has_validation = "validation" in rows and stats[rows["validation"][0]].num_labelled
    if stats["train"].num_labelled and not has_validation:
        found_there = evaluate_rules.users_of_validation(parameters.evaluate)
        for name in (*rules.users_of_validation(p), *found_there):
            findings.add(
                name,
                "needs a validation split with labels: name one under data.files, or split one off "
                "with data.split.validation",
            )
    if has_validation:
        source, chosen = rows["validation"]
        label_checks.check_best_metric(parameters, stats[source], chosen, encoder, findings)
    texts = []
    for name, (origin, _) in rows.items():
        notes = f" (split from {origin})" if origin != name else ""
        notes += "" if stats[origin].num_labelled else " (no labels: predicted, not scored)"
        texts.append(f"{name} {sizes[name]:,} {parameters.task.examples_name}{notes}")
    findings.facts["data"] = ", ".join(texts)
    check_steps(parameters, sizes["train"], findings)


def check_steps(parameters: Params, num_rows: int, findings: Findings) -> None:
    """Count the steps; report an average over more evaluations than there will be."""
    p, augment = parameters.train, parameters.tokenize.augment
    if p.batch_size is None:
        findings.facts["steps"] = f"of about {p.batch_tokens:,} tokens, counted by train"
        return
    steps = -(-round(num_rows * parameters.tokenize.rows_per_example) // p.batch_size)
    windows = parameters.tokenize.overflow == "window" or parameters.task.target_type in WINDOWED
    about = "about " if augment or p.resampling or windows else ""
    every = steps if p.evaluate_every == "epoch" else p.evaluate_every
    num_steps = optimizer.num_steps(p, steps)
    num_evaluations = -(-num_steps // every)
    count = p.weight_averaging.count if p.weight_averaging else None
    if count and count > num_evaluations and not about:
        text = f"count is {count}, but training evaluates {num_evaluations} times; see "
        text += "train.evaluate_every"
        findings.add("train.weight_averaging", text)
    decay = p.lr_scheduler_kwargs.num_decay_steps if p.lr_scheduler_kwargs else None
    if (decay or p.warmup_steps) and not about:
        key = "warmup_steps" if p.warmup_steps else "lr_scheduler_kwargs"
        with findings.named(f"train.{key}"):
            optimizer.check_decay(p, num_steps)
    total = num_steps * (p.model_soup_size or 1)
    findings.facts["steps"] = f"{about}{steps:,} per epoch, {about}{total:,.0f} in total"
