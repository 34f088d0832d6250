"""A commit's dvc.lock and a rebuilt one whose bytes differ → the likely cause, in lines."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from temper import repo
from temper.core import artifacts
from temper.repo import LOCK, changed, hashes, leaves
from temper.tracking import store

Stages = dict[str, dict[str, Any]]  # `stages` of a dvc.lock
REVISIONS = {"download@dataset": "data.hub.revision", "download@model": "model.revision"}


def likely(
    committed: Stages, rebuilt: Stages, selected: list[str], clone: Path, caches: tuple[Path, Path]
) -> list[str]:
    """Return the likely causes; [] where there is none that can be seen.

    Args:
        committed: as the commit has them.
        rebuilt: as they are in the scratch clone.
        selected: those that were rebuilt.
        clone: the scratch clone.
        caches: the committed bytes, and the rebuilt ones.
    """
    causes = changed_inputs(committed, rebuilt, selected)
    causes += moved_revisions(committed, rebuilt, selected, caches)
    return causes + changed_environment(trained_weights(committed, caches[0]), clone)


def changed_inputs(committed: Stages, rebuilt: Stages, selected: list[str]) -> list[str]:
    """List the files and parameters of the commit that differ from those dvc.lock was made with."""
    messages: dict[str, None] = {}
    for stage in selected:
        before, now = committed[stage], rebuilt[stage]
        for path in changed(hashes(before, "deps"), hashes(now, "deps")):
            inputs = [] if makers(path, committed) else repo.changed_since_lock(path) or [path]
            for file in inputs:
                messages[f"{file} is not what {LOCK} was made with"] = None
        old, new = leaves(before), leaves(now)
        for key in changed(old, new):
            messages[f"{key}: {old.get(key)!r} in {LOCK}, {new.get(key)!r} in params.yaml"] = None
    return list(messages)


def moved_revisions(
    committed: Stages, rebuilt: Stages, selected: list[str], caches: tuple[Path, Path]
) -> list[str]:
    """List the data set and model whose branch or tag on the Hub is at another commit by now."""
    messages = []
    for stage, key in REVISIONS.items():
        if stage not in selected:
            continue
        before, now = map(origin_of, (committed[stage], rebuilt[stage]), caches)
        then, here = before.get("commit"), now.get("commit")
        if then and here and then != here and before["name"] == now["name"]:
            messages.append(
                f"{now['name']} on the Hub: commit {then} then, {here} now; set {key} to the first"
            )
    return messages


def origin_of(stage: dict[str, Any], cache: Path) -> dict[str, Any]:
    """Return the summary.json among a locked stage's outputs; {} where the cache lacks it."""
    for md5 in hashes(stage, "outs").values():
        summary = (repo.cached_files(cache, md5) or {}).get("summary.json")
        if summary is not None and (path := repo.cache_path(cache, summary)).exists():
            return artifacts.read_json(path)
    return {}


def changed_environment(weights: list[Path], clone: Path) -> list[str]:
    """List how the environment differs from the one that trained the weights (from MLflow)."""
    command = [sys.executable, "-m", "temper.cli.environment"]
    here = subprocess.run(command, cwd=clone, env=environment(), capture_output=True, text=True)
    before = store.training_environment(weights) if weights and not here.returncode else None
    if before is None:
        return ["(no run of this model in the tracking store: its environment is unknown)"]
    now = json.loads(here.stdout)
    return [f"{k}: {before.get(k)} then, {now.get(k)} here" for k in changed(before, now)]


def trained_weights(committed: Stages, cache: Path) -> list[Path]:
    """List the committed train stage's weight files in the cache; [] where they are missing."""
    paths = [
        repo.cache_path(cache, file_md5)
        for md5 in hashes(committed.get("train", {}), "outs").values()
        for name, file_md5 in sorted((repo.cached_files(cache, md5) or {}).items())
        if name.endswith(".safetensors") and "/" not in name
    ]
    return [path for path in paths if path.exists()]


def makers(path: str, committed: Stages) -> list[str]:
    """Return the stages with an out that is the path, is inside of it, or contains it."""
    return [
        name
        for name, stage in committed.items()
        for out in hashes(stage, "outs")
        if Path(path).is_relative_to(out) or Path(out).is_relative_to(path)
    ]


def environment() -> dict[str, str]:
    """Return the variables for a run apart from this repository's runs and tracker."""
    return repo.separate_env() | {"TEMPER_TRACKING": "off"}
