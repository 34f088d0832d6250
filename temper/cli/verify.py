"""Rebuild the committed dvc.lock in a scratch clone; report which bytes differ and why.

`temper verify`, `temper verify evaluate export`, `temper verify --no-download`; `--of FOLDER` names
the commit that an exported folder is of.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from temper import repo
from temper.cli import origin
from temper.compare import file_diff
from temper.core.errors import InputError, alternatives
from temper.repo import LOCK, changed, hashes, leaves
from temper.tracking import store

DOWNLOAD = (  # skipped by --no-download
    *("data_files", "model_files", "synonym_files"),
    *("download", "zero_shot", "translators", "teachers"),
)
Stages = dict[str, dict[str, Any]]  # `stages` of a dvc.lock


def verify(
    stages: Annotated[list[str] | None, typer.Argument(help="Default: all stages.")] = None,
    download: Annotated[
        bool, typer.Option(help="Download again, or take data/raw and data/base from the cache.")
    ] = True,
    keep: Annotated[bool, typer.Option(help="Keep the scratch clone.")] = False,
    of: Annotated[
        Path | None,
        typer.Option(help="Only name the commit that an exported folder is of; rebuild nothing."),
    ] = None,
) -> None:
    """Rebuild the current commit in a scratch clone and compare every hash with dvc.lock."""
    if of is not None:
        if stages or not download or keep:
            raise InputError(
                "--of: names a commit and rebuilds nothing; remove the stages, --no-download and "
                "--keep"
            )
        return origin.show(of)
    committed = read_committed()
    selected = select(stages or [], committed, download)
    scratch = Path(tempfile.mkdtemp(prefix="temper-verify-"))
    clone = scratch / "clone"
    try:
        cache = repo.dvc_cache()
        make_clone(clone, committed, selected, cache)
        rebuilt = rebuild(clone, selected)
        if not report(committed, selected, rebuilt, clone, cache):
            raise typer.Exit(1)
    finally:
        if keep:
            print(f"kept: {clone}")
        else:
            shutil.rmtree(scratch, ignore_errors=True)


def read_committed() -> Stages:
    """Read the stages of the current commit's dvc.lock; list uncommitted changes on stderr.

    Raises:
        InputError: no dvc.lock is committed.
    """
    text = repo.try_git("show", f"HEAD:./{LOCK}")
    if text is None:
        raise InputError(
            f"no {LOCK} in the current commit: run dvc repro, then git add and commit {LOCK}"
        )
    if changes := repo.git("status", "--porcelain", "-uno"):
        print(f"verifying the commit, without uncommitted changes:\n{changes}", file=sys.stderr)
    return yaml.safe_load(text)["stages"]


def select(names: list[str], committed: Stages, download: bool) -> list[str]:
    """Return the stages to rebuild in pipeline order; `download` selects every `download@…`.

    Raises:
        InputError: dvc.lock has no such stage.
    """
    for name in names:
        if not any(matches(stage, name) for stage in committed):
            raise InputError(f"{LOCK} has no stage {name}{alternatives(name, committed)}")
    upstream = {stage: upstream_of([stage], committed) for stage in committed}
    return [
        stage
        for stage in TopologicalSorter(upstream).static_order()
        if (not names or any(matches(stage, name) for name in names))
        and (download or not any(matches(stage, name) for name in DOWNLOAD))
    ]


def matches(stage: str, name: str) -> bool:
    return stage == name or stage.startswith(f"{name}@")


def upstream_of(stages: list[str], committed: Stages) -> list[str]:
    """Return the stages whose outputs some stages read."""
    deps = [dep for stage in stages for dep in hashes(committed[stage], "deps")]
    return list(dict.fromkeys(maker for dep in deps for maker in makers(dep, committed)))


def makers(path: str, committed: Stages) -> list[str]:
    """Return the stages with an out that is the path, is inside of it, or contains it."""
    return [
        name
        for name, stage in committed.items()
        for out in hashes(stage, "outs")
        if Path(path).is_relative_to(out) or Path(out).is_relative_to(path)
    ]


def make_clone(clone: Path, committed: Stages, selected: list[str], cache: Path) -> None:
    """Clone the commit with an empty DVC cache, and copy the inputs of the selected stages.

    Raises:
        InputError: an output of an earlier stage is not in the cache, or a data file is missing.
    """
    from dvc.config import Config

    repo.git("clone", "-q", ".", str(clone))
    local: Any = Config(str(clone / ".dvc")).edit("local")
    with local as config:
        config["cache"] = {"dir": str(clone / ".dvc/cache")}
        config["remote"] = {"verified": {"url": str(cache)}}
    earlier = [stage for stage in upstream_of(selected, committed) if stage not in selected]
    if earlier and dvc(clone, "pull", "-q", "-r", "verified", *earlier):
        raise InputError(
            f"the cache lacks outputs of {', '.join(earlier)}: run dvc pull or dvc repro, or "
            "verify those stages too"
        )
    for dep in {dep for stage in selected for dep in hashes(committed[stage], "deps")}:
        if not makers(dep, committed) and not (clone / dep).exists():
            copy(Path(dep), clone / dep)


def copy(source: Path, target: Path) -> None:
    """Copy a data file or folder that git does not track."""
    if not source.exists():
        raise InputError(f"{source} is a dep in {LOCK}, but neither in git nor in the workspace")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target)


def rebuild(clone: Path, selected: list[str]) -> Stages:
    """Run the selected stages; return those that have run in the form of a dvc.lock."""
    lock = clone / LOCK
    tree = yaml.safe_load(lock.read_text(encoding="utf-8"))
    tree["stages"] = {k: v for k, v in tree["stages"].items() if k not in selected}
    lock.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    dvc(clone, "repro", "--no-run-cache", "--single-item", *selected)
    return yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"]


def report(
    committed: Stages, selected: list[str], rebuilt: Stages, clone: Path, cache: Path
) -> bool:
    """Print the result of each stage and, where bytes differ, the likely cause."""
    caches, differing = (cache, clone / ".dvc/cache"), []
    reason = "failed: see above"
    for stage in selected:
        if stage in rebuilt:
            lines = file_diff.differences(committed[stage], rebuilt[stage], *caches)
        else:
            lines, reason = [reason], "not rebuilt"
        differing += [stage] if lines else []
        print(f"{stage}: {'differs' if lines else 'same'}", *lines, sep="\n    ")
    if not differing:
        print(f"verified: {len(selected)} stages reproduced the bytes of the committed {LOCK}")
        return True
    causes = changed_inputs(committed, rebuilt, [stage for stage in selected if stage in rebuilt])
    causes += changed_environment(trained_weights(committed, cache), clone)
    print("likely cause:", *(causes or ["unknown; see docs/reproducibility.md"]), sep="\n    ")
    return False


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
        file_diff.cache_path(cache, file_md5)
        for md5 in hashes(committed.get("train", {}), "outs").values()
        for name, file_md5 in sorted((file_diff.files(cache, md5) or {}).items())
        if name.endswith(".safetensors") and "/" not in name
    ]
    return [path for path in paths if path.exists()]


def dvc(clone: Path, *arguments: str) -> int:
    """Run a dvc command in the clone, isolated from this repository and its tracker."""
    return repo.dvc(*arguments, cwd=clone, env=environment())


def environment() -> dict[str, str]:
    return repo.separate_env() | {"TEMPER_TRACKING": "off"}
