"""The data's or the model's source → data/raw or data/base. The only stage that uses the network.

`python -m stages.download dataset data/files/dataset data/raw`; `model`, `zero_shot` and
`translator` likewise. The second argument holds the hashes of the local files, which
`stages.hash_inputs` writes.
"""

import shutil
import sys
from pathlib import Path
from typing import Any

from temper import params
from temper.core import artifacts, determinism, errors
from temper.ingest import base_model, dataset, readers
from temper.params import schema
from temper.params.data import DataParams
from temper.params.tokenize import Translator
from temper.tasks.base import registry


def open_local_splits(data: DataParams) -> dataset.SourceSplits:
    """Return the local files of each split as batches."""

    def reader(files: list[Path]) -> Any:
        return lambda: (columns for file in files for columns in readers.read(file))

    return {
        split: reader(readers.find_files(name, split, data.glob))
        for split, name in data.files.items()
    }


def download_dataset(parameters: params.Params, manifests: Path, target: Path) -> dict[str, Any]:
    """Write data/raw and its summary.json; return the summary."""
    data = parameters.data
    origin: dict[str, Any] = {"source": data.source, "name": None, "commit": None}
    if data.source == "hub":
        from temper.ingest import hub

        info = hub.resolve_dataset(data.hub)
        card = info.card_data.to_dict() if info.card_data else {}
        licence = card.get("license")
        origin |= {"name": data.hub.name, "config": data.hub.config, "commit": info.sha}
        origin["license"] = licence[0] if isinstance(licence, list) and licence else licence
        origin["description"] = card.get("pretty_name")
        source = hub.open_dataset(data.hub, info.sha)
    else:
        origin["files"] = {
            split: artifacts.read_json(manifests / f"{split}.json") for split in data.files
        }
        source = open_local_splits(data)
    origin["license"] = data.license or origin.get("license")
    origin["description"] = data.description or origin.get("description")
    summary = origin | dataset.write(source, parameters.task, data, target)
    artifacts.write_json(target / "summary.json", summary)
    return summary


def download_model(parameters: params.Params, target: Path) -> dict[str, Any]:
    """Write data/base and its summary.json; return the summary."""
    p, task = parameters.model, registry.load(parameters)
    if p.name in p.files:
        return base_model.write(Path(p.files[p.name]), p, task, target)
    from temper.ingest import hub

    info = hub.resolve_model(p.name, p.revision)
    folder = hub.fetch_model(p.name, info.sha)
    summary = base_model.write(folder, p, task, target)
    summary |= {"commit": info.sha, "license": info.card_data.license if info.card_data else None}
    artifacts.write_json(target / "summary.json", summary)
    return summary


def download_plain(p: schema.ZeroShot | Translator, files: dict[str, str], target: Path) -> None:
    """Copy the config, weights and processor of a model that is used as it is.

    Raises:
        InputError: it has no safetensors, or brings its own code.
    """
    if p.name in files:
        folder = Path(files[p.name])
    else:
        from temper.ingest import hub

        folder = hub.fetch_model(p.name, hub.resolve_model(p.name, p.revision).sha)
    base_model.check_inference_model(folder, p.name)
    for pattern in base_model.INFERENCE_FILES:
        for file in sorted(folder.glob(pattern)):
            shutil.copyfile(file, target / file.name)


def print_options(summary: dict[str, Any]) -> None:
    """Say what a filter, a fold or a subset left, and how uneven the labels are."""
    for split, count in summary.get("filtered", {}).items():
        print(f"filter: {count} rows of {split} left out")
    for split, found in summary.get("subset", {}).items():
        print(f"subset: {found['rows']} of {found['of']} rows of {split}")
    if "fold" in summary:
        print(f"fold {summary['fold']['index']} of {summary['fold']['k']} is validation")
    if "imbalance" in summary:
        times = summary["imbalance"]
        print(f"imbalance: the most frequent label comes {times} x as often as the rarest")


def main(what: str, manifests: Path, target: Path) -> None:
    parameters = params.load()
    with artifacts.atomic_dir(target) as folder:
        if what == "dataset":
            artifacts.remove_stale_manifests(manifests, set(parameters.data.files))
            summary = download_dataset(parameters, manifests, folder)
            for split, facts in summary["splits"].items():
                counts = ", ".join(f"{k} {v}" for k, v in list(facts["label_counts"].items())[:6])
                print(f"{split}: {facts['rows']} rows, {facts['duplicates']} repeated. {counts}")
            print_options(summary)
            for pair, count in summary["overlap"].items():
                if count:
                    print(f"warning: {count} rows of {pair}; see data.overlap")
            if summary["empty_texts"]:
                print(f"warning: {summary['empty_texts']} empty texts")
        elif what in ("zero_shot", "translator"):
            zero_shot = parameters.evaluate.zero_shot
            plain = zero_shot if what == "zero_shot" else parameters.tokenize.translators
            found = plain[target.name]
            download_plain(found, parameters.model.files, folder)
            print(f"{target.name}: {found.name}")
        else:
            artifacts.remove_stale_manifests(manifests, set(parameters.model.files))
            summary = download_model(parameters, folder)
            tokens = f", {summary['num_tokens']} tokens" if "num_tokens" in summary else ""
            print(f"{summary['name']}: {summary['model_type']}{tokens}")
            for kind, names in summary.get("tensors", {}).items():
                if names:
                    print(f"{kind} tensors: {', '.join(names)}")


if __name__ == "__main__":
    with errors.exit_on_input_error():
        determinism.prepare(params.load().determinism, offline=False)
        main(sys.argv[1], *map(Path, sys.argv[2:]))
