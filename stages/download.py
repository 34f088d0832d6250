"""A source of data or of a model → data/raw, data/base or a folder of a model used as it is.

The only stage that uses the network. `python -m stages.download dataset data/files/dataset
data/raw`; `model`, `zero_shot`, `translator` and `teacher` likewise, the last three into a folder
named by the running DVC stage. The second argument is the folder of the local files' hashes, which
`stages.hash_inputs` writes.
"""

import itertools
import shutil
import sys
from pathlib import Path
from typing import Any

from temper import params
from temper.core import artifacts, determinism, errors, names, startup
from temper.core.unedited import unedited
from temper.ingest import dataset, local_files, overlap
from temper.ingest.text_files import Note
from temper.models import light_imports
from temper.params.data import DataParams
from temper.params.model import HubModel, ModelParams
from temper.tasks.base import registry

BALANCED = 1.2  # most and rarest label: a ratio up to this one is not worth a line


def open_local_splits(data: DataParams, note: Note) -> dataset.SourceSplits:
    """Return the rows of the local files of each split; how these are read is noted."""
    files = {n: local_files.find_files(name, n, data.glob) for n, name in data.files.items()}
    local_files.check_csv(itertools.chain(*files.values()), data.csv)
    return {
        split: local_files.read(paths, data.csv, note, local_files.reach_of(data.files[split]))
        for split, paths in files.items()
    }


def open_hub_splits(data: DataParams) -> tuple[dataset.SourceSplits, dict[str, Any]]:
    """Return the rows of each split of a Hub dataset, and its description for summary.json."""
    from temper.ingest import hub

    source, info = hub.open_dataset(data.hub)
    print_commit(str(data.hub.name), data.hub.revision, info.sha, "data.hub")
    card = info.card_data.to_dict() if info.card_data else {}
    licence = card.get("license")
    description = {
        "name": data.hub.name,
        "config": data.hub.config,
        "commit": info.sha,
        **({} if data.hub.rows is None else {"first_rows": data.hub.rows}),
        "license": licence[0] if isinstance(licence, list) and licence else licence,
        "description": card.get("pretty_name"),
    }
    return source, description


def download_dataset(parameters: params.Params, manifests: Path, target: Path) -> dict[str, Any]:
    """Write data/raw with its summary.json; return the summary."""
    data, notes = parameters.data, {}
    origin: dict[str, Any] = {"source": data.source, "name": None, "commit": None}
    if data.source == "hub":
        source, description = open_hub_splits(data)
        origin |= description
    else:
        source = open_local_splits(data, notes.setdefault)
        origin["files"] = {
            split: artifacts.read_json(manifests / f"{split}.json") for split in data.files
        }
    origin["license"] = data.license or origin.get("license")
    origin["description"] = data.description or origin.get("description")
    summary = origin | dataset.write(source, parameters.task, data, target)
    for text in notes:
        print(text)
    artifacts.write_json(target / "summary.json", summary)
    return summary


def download_model(parameters: params.Params, target: Path) -> dict[str, Any]:
    """Write data/base with its summary.json; return the summary."""
    from temper.ingest import base_model  # imports torch, which a data set does not need

    p = parameters.model
    folder, origin = fetch_model(p, p.files, "model")
    summary = base_model.write(folder, p, registry.load(parameters), target) | origin
    artifacts.write_json(target / "summary.json", summary)
    return summary


def fetch_model(
    p: HubModel | ModelParams, files: dict[str, str], key: str
) -> tuple[Path, dict[str, Any]]:
    """Return a model's folder, and the commit and licence of one of the Hub.

    Args:
        key: where params.yaml has it.
    """
    if p.name in files:
        return Path(files[p.name]), {}
    from temper.ingest import hub

    folder, info = hub.fetch_model(p.name, p.revision)
    print_commit(p.name, p.revision, info.sha, key)
    return folder, {
        "commit": info.sha,
        "license": info.card_data.license if info.card_data else None,
    }


def print_commit(name: str, revision: str | None, commit: str | None, key: str) -> None:
    """Say which commit a branch or tag of the Hub is at, and how to stay with it."""
    if commit is not None and revision != commit:
        print(f"{name} on the Hub is at commit {commit} now; to stay there: {key}.revision")


def download_inference_model(p: HubModel, files: dict[str, str], target: Path, key: str) -> None:
    """Copy a model that is used without training: config, weights, processor, where it is from.

    Args:
        key: where params.yaml has it.

    Raises:
        InputError: the model has no safetensors, or needs code in its repository.
    """
    from temper.ingest import base_model, teachers

    folder, origin = fetch_model(p, files, key)
    base_model.check_inference_model(folder, p.name)
    for pattern in base_model.INFERENCE_FILES:
        for file in sorted(folder.glob(pattern)):
            shutil.copyfile(file, target / file.name)
    artifacts.write_json(target / teachers.ORIGIN_FILE, {"name": p.name} | origin)


def download_teacher(parameters: params.Params, name: str, target: Path) -> None:
    """Copy a teacher, and write where it is from beside it.

    Raises:
        InputError: the model cannot teach the task.
    """
    from temper.ingest import teachers

    p, key = parameters.train.teachers[name], f"train.teachers.{name}"
    download_inference_model(p, parameters.model.files, target, key)
    try:
        teachers.check(target, p.name, registry.load(parameters))
    except errors.InputError as error:
        raise errors.InputError(f"{key}: {error}") from None


def print_dataset(summary: dict[str, Any], data: DataParams, examples: str) -> None:
    """Print each split's size and labels, the effect of the options, and warnings."""
    for split, entry in summary["splits"].items():
        counts = ", ".join(f"{name} {n:,}" for name, n in list(entry["label_counts"].items())[:6])
        line = (
            f"{split}: {entry['rows']:,} {examples}, {entry['duplicates']:,} duplicates. {counts}"
        )
        print(line.rstrip(". "))
    print_options(summary)
    for line in overlap.describe(data, summary["overlap"]):
        print(f"warning: {line}")
    if summary["empty_texts"]:
        print(f"warning: {summary['empty_texts']} empty texts")


def print_options(summary: dict[str, Any]) -> None:
    """Print what a filter, a subset and a fold did, and how imbalanced the labels are."""
    for note in summary.get("notes", []):
        print(note)
    for split, count in summary.get("filtered", {}).items():
        print(f"filter: dropped {count} rows of {split}")
    for split, subset in summary.get("subset", {}).items():
        print(f"subset: {subset['rows']} of {subset['of']} rows of {split}")
    if "fold" in summary:
        print(f"fold {summary['fold']['index']} of {summary['fold']['k']} is validation")
    if summary.get("imbalance", 1) > BALANCED:
        ratio = summary["imbalance"]
        print(f"imbalance: the most frequent label is {ratio} x as frequent as the rarest")


def print_model(summary: dict[str, Any]) -> None:
    """Print a base model's type, its tokens, and the tensors that are new or unused."""
    tokens = f", {summary['num_tokens']} tokens" if "num_tokens" in summary else ""
    layers = f", layers {', '.join(map(str, summary['layers']))}" if "layers" in summary else ""
    print(f"{summary['name']}: {summary['model_type']}{tokens}{layers}")
    for status, tensors in summary.get("tensors", {}).items():
        if tensors:
            print(f"{status} tensors: {', '.join(tensors)}")
    if not_taken := summary.get("generation_not_taken"):
        values = ", ".join(f"{name} {value}" for name, value in not_taken.items())
        print(f"of how the checkpoint generates, evaluate.generation decides, not: {values}")


def main(what: str, manifests: Path, target: Path) -> None:
    parameters = params.load()
    with artifacts.atomic_dir(target) as folder:
        if what == "dataset":
            artifacts.remove_stale_manifests(manifests, set(parameters.data.files))
            summary = download_dataset(parameters, manifests, folder)
            print_dataset(summary, parameters.data, parameters.task.examples_name)
        elif what == "model":
            artifacts.remove_stale_manifests(manifests, set(parameters.model.files))
            print_model(download_model(parameters, folder))
        elif what == "teacher":
            download_teacher(parameters, target.name, folder)
            print(f"{target.name}: {parameters.train.teachers[target.name].name}")
        else:
            group, models = {
                "zero_shot": ("evaluate.zero_shot", parameters.evaluate.zero_shot),
                "translator": ("tokenize.translators", parameters.tokenize.translators),
            }[what]
            model, key = models[target.name], f"{group}.{target.name}"
            download_inference_model(model, parameters.model.files, folder, key)
            print(f"{target.name}: {model.name}")


if __name__ == "__main__":
    startup.collect_rarely()
    with errors.exit_on_input_error():
        determinism.prepare(params.load().determinism, offline=False)
        startup.postpone("torch")
        light_imports.list_models_once()
        what, manifests, target = sys.argv[1], *map(Path, sys.argv[2:])
        is_item = what not in ("dataset", "model")
        with unedited():
            main(what, manifests, target / names.running_item() if is_item else target)
