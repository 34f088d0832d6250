"""The local data of params.yaml → its mistakes in columns, rows, labels and splits, and its counts.

Reads each split once, a batch in memory at a time, with the readers that download uses.
"""

from collections.abc import Iterator
from pathlib import Path

from stages.commands import check_labels
from stages.commands.findings import Findings
from stages.errors import nearest
from stages.params import Params, TaskParams
from stages.sources import dataset, labels, readers, splits


def check(parameters: Params, findings: Findings) -> None:
    """Note what is wrong with the files of each split, and what their rows are."""
    data, task = parameters.data, parameters.task
    files: dict[str, list[Path]] = {}
    columns: dict[str, list[str]] = {}
    for split, name in data.files.items():
        with findings.at(f"data.files.{split}"):
            files[split] = readers.find_files(name, split, data.glob)
            columns[split] = readers.column_names(files[split][0])
    lacking = check_columns(parameters, columns, findings)
    facts: dict[str, dataset.Facts] = {}
    for split in columns:
        with findings.at(f"data.files.{split}", f"{data.files[split]}: "):
            batches = read(files[split], split, lacking[split], task)
            facts[split] = dataset.survey(batches, task, data, split)
    if task.problem_type != "regression":
        counts = {split: found.counts for split, found in facts.items() if found.labelled}
        check_labels.check(parameters, counts, findings)
    if "train" not in facts:
        return
    if not facts["train"].labelled and task.label in columns["train"]:
        findings.add(
            "task.label",
            f"column {task.label!r} of {data.files['train']} holds no label; all are "
            "empty, null or -1",
        )
    check_splits(parameters, facts, findings)


def check_columns(
    parameters: Params, columns: dict[str, list[str]], findings: Findings
) -> dict[str, list[str]]:
    """Note each column that splits lack; return them by split. Only train must have labels."""
    task, data = parameters.task, parameters.data
    wanted = [("task.text", name, list(columns)) for name in task.text]
    wanted += [("data.columns", name, list(columns)) for name in data.columns]
    wanted += [("task.label", task.label, ["train"])]
    lacking: dict[str, list[str]] = {split: [] for split in columns}
    for key, name, in_splits in wanted:
        without = [s for s in in_splits if s in columns and name not in columns[s]]
        for split in without:
            if key != "task.label":
                lacking[split].append(name)
        if without:
            found = columns[without[0]]
            places = ", ".join(f"{split} ({data.files[split]})" for split in without)
            findings.add(
                key,
                f"no column {name!r} in {places}{nearest(name, found)}; "
                f"{without[0]} has {', '.join(found)}",
            )
    return lacking


def read(
    files: list[Path], split: str, lacking: list[str], task: TaskParams
) -> Iterator[readers.Columns]:
    """Yield a split's batches, columns it lacks filled in, so that the rest is still checked.

    Raises:
        InputError: a broken row, or with regression a label that is not a number.
    """
    numbers, start = labels.Encoder(task, None), 1
    for file in files:
        for columns in readers.read(file):
            size = len(next(iter(columns.values()), []))
            if task.problem_type == "regression":
                numbers.encode(columns.get(task.label, []), split, start)
            start += size
            yield columns | {name: [""] * size for name in lacking}


def check_splits(parameters: Params, facts: dict[str, dataset.Facts], findings: Findings) -> None:
    """Note rows in two splits and a missing validation where these matter; count the rows."""
    p, data = parameters.train, parameters.data
    rows = {}
    with findings.at("data.split", "data.split: "):
        rows = dataset.choose_rows(facts, data)
    if not rows:
        return
    keys = {
        name: [facts[origin].keys[i] for i in chosen] for name, (origin, chosen) in rows.items()
    }
    sizes = {name: len(found) for name, found in keys.items()}
    with findings.at("data.overlap", "data.overlap: "):
        common = splits.overlap(keys)
        sizes["train"] -= len(dataset.settle_overlap(keys, common, data.overlap))
    scored = "validation" in rows and facts[rows["validation"][0]].labelled
    if facts["train"].labelled and not scored:
        users = {"best_metric": p.best_metric != "loss"}
        users |= {"early_stopping": p.early_stopping.patience > 0}
        for name in (name for name, needs_one in users.items() if needs_one):
            findings.add(
                f"train.{name}",
                "needs a validation split with labels: name one under data.files, or let "
                "data.split.validation cut one",
            )
    texts = []
    for name, (origin, _) in rows.items():
        notes = f" (cut from {origin})" if origin != name else ""
        notes += "" if facts[origin].labelled else " (no labels: predicted, never scored)"
        texts.append(f"{name} {sizes[name]:,} rows{notes}")
    findings.facts["data"] = ", ".join(texts)
    steps = -(-sizes["train"] // p.batch_size)
    findings.facts["steps"] = f"{steps:,} an epoch, {steps * p.epochs:,.0f} in all"
