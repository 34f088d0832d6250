"""The committed dvc.lock → the same bytes made again in a scratch clone, or what differs and why.

`temper verify`, `temper verify evaluate export`, `temper verify --no-download`
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from temper.compare import file_diff
from temper.core.errors import InputError, nearest
from temper.repo import changed, hashes, leaves

LOCK = Path("dvc.lock")
FETCHED = ("download", "zero_shot", "translators")
DOWNLOAD = ("data_files", "model_files", "tokenize_files", *FETCHED)  # not with --no-download
Locked = dict[str, dict[str, Any]]  # `stages` of a dvc.lock


def verify(
    stages: Annotated[list[str] | None, typer.Argument(help="Stages to rebuild; or all.")] = None,
    download: Annotated[
        bool, typer.Option(help="Download again, or take data/raw and data/base from the cache.")
    ] = True,
    keep: Annotated[bool, typer.Option(help="Leave the scratch clone in place.")] = False,
) -> None:
    """Rebuild the current commit in a scratch clone; compare every hash with its dvc.lock."""
    committed = read_committed()
    chosen = choose(stages or [], committed, download)
    scratch = Path(tempfile.mkdtemp(prefix="temper-verify-"))
    clone = scratch / "clone"
    try:
        cache = Path(output("dvc", "cache", "dir")).resolve()
        make_clone(clone, committed, chosen, cache)
        failed = rebuild(clone, chosen)
        if not report(committed, chosen, failed, clone, cache):
            raise typer.Exit(1)
    finally:
        if keep:
            print(f"kept: {clone}")
        else:
            shutil.rmtree(scratch, ignore_errors=True)


def read_committed() -> Locked:
    """Return the stages of the current commit's dvc.lock; say what is not committed.

    Raises:
        InputError: there is none.
    """
    try:
        text = output("git", "show", f"HEAD:./{LOCK}")
    except (OSError, subprocess.CalledProcessError):
        raise InputError(
            f"no {LOCK} in the current commit: run dvc repro, then git add and commit {LOCK}"
        ) from None
    if changes := output("git", "status", "--porcelain", "-uno"):
        print(f"verifying the commit, without what is not committed:\n{changes}", file=sys.stderr)
    return yaml.safe_load(text)["stages"]


def choose(names: list[str], committed: Locked, download: bool) -> list[str]:
    """Return the stages to rebuild in the order of the pipeline; `download` means all of its kind.

    Raises:
        InputError: dvc.lock has no such stage.
    """
    for name in names:
        if not any(matches(stage, name) for stage in committed):
            raise InputError(
                f"{LOCK} has no stage {name}{nearest(name, list(committed))}; "
                f"it has {', '.join(committed)}"
            )
    return [
        stage
        for stage in in_order(committed)
        if (not names or any(matches(stage, name) for name in names))
        and (download or not any(matches(stage, name) for name in DOWNLOAD))
    ]


def matches(stage: str, name: str) -> bool:
    return stage == name or stage.startswith(f"{name}@")


def in_order(committed: Locked) -> list[str]:
    """Return the stages so that each comes after those it takes something from."""
    return list(
        TopologicalSorter(
            {
                stage: [other for other in committed if takes(committed[stage], committed[other])]
                for stage in committed
            }
        ).static_order()
    )


def takes(stage: dict[str, Any], other: dict[str, Any]) -> bool:
    """Tell whether a dep of `stage` is an out of `other`, or lies in one, or holds one."""
    return any(touches(dep, other) for dep in hashes(stage, "deps"))


def touches(path: str, stage: dict[str, Any]) -> bool:
    """Tell whether a path is an out of `stage`, or lies in one, or holds one."""
    return any(
        Path(path).is_relative_to(out) or Path(out).is_relative_to(path)
        for out in hashes(stage, "outs")
    )


def make_clone(clone: Path, committed: Locked, chosen: list[str], cache: Path) -> None:
    """Clone the commit, with a cache of its own, and bring what the chosen stages start from.

    Raises:
        InputError: an output of an earlier stage is not in the cache, or a data file is gone.
    """
    subprocess.run(["git", "clone", "-q", ".", str(clone)], check=True)
    in_clone(clone, "dvc", "config", "--local", "cache.dir", str(clone / ".dvc/cache"))
    in_clone(clone, "dvc", "remote", "add", "-q", "--local", "verified", str(cache))
    earlier = [
        stage
        for stage in committed
        if stage not in chosen and any(takes(committed[c], committed[stage]) for c in chosen)
    ]
    if earlier and in_clone(clone, "dvc", "pull", "-q", "-r", "verified", *earlier):
        raise InputError(
            f"the cache lacks outputs of {', '.join(earlier)}: run dvc pull or dvc repro, or "
            "verify those stages too"
        )
    for dep in {dep for stage in chosen for dep in hashes(committed[stage], "deps")}:
        is_made = any(touches(dep, stage) for stage in committed.values())
        if not is_made and not (clone / dep).exists():
            bring(Path(dep), clone / dep)


def bring(source: Path, target: Path) -> None:
    """Copy a data file or folder that git does not hold."""
    if not source.exists():
        raise InputError(f"{source} is a dep in {LOCK}, but neither in git nor here")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target)


def rebuild(clone: Path, chosen: list[str]) -> str | None:
    """Run the chosen stages; return the first that failed."""
    for stage in chosen:
        print(f"rebuilding {stage}", flush=True)
        options = ("--force", "--no-run-cache", "--single-item")
        if in_clone(clone, "dvc", "repro", *options, stage):
            return stage
    return None


def report(
    committed: Locked, chosen: list[str], failed: str | None, clone: Path, cache: Path
) -> bool:
    """Print for each stage what became of it and, where bytes differ, the likely cause."""
    rebuilt: Locked = yaml.safe_load((clone / LOCK).read_text(encoding="utf-8"))["stages"]
    caches, differing = (cache, clone / ".dvc/cache"), []
    for stage in chosen:
        if failed is not None and chosen.index(stage) >= chosen.index(failed):
            lines = ["failed: see above" if stage == failed else "not rebuilt"]
        else:
            lines = file_diff.differences(committed[stage], rebuilt[stage], *caches)
        differing += [stage] if lines else []
        print(f"{stage}: {'differs' if lines else 'same'}", *lines, sep="\n    ")
    if not differing:
        print(f"verified: {len(chosen)} stages gave the bytes of the committed {LOCK}")
        return True
    causes = changed_inputs(committed, rebuilt, chosen)
    causes += changed_environment(trained_weights(committed, cache), clone)
    print("likely cause:", *(causes or ["none found; see docs/reproducibility.md"]), sep="\n    ")
    return False


def changed_inputs(committed: Locked, rebuilt: Locked, chosen: list[str]) -> list[str]:
    """Return what the commit holds in another state than dvc.lock was made from."""
    made = {out for stage in committed.values() for out in hashes(stage, "outs")}
    found: dict[str, None] = {}
    for stage in chosen:
        before, now = committed[stage], rebuilt[stage]
        for path in changed(hashes(before, "deps"), hashes(now, "deps")):
            if not any(Path(path).is_relative_to(out) for out in made):
                found[f"{path} is not the file that {LOCK} was made with"] = None
        old, new = leaves(before), leaves(now)
        for key in changed(old, new):
            found[f"{key}: {old.get(key)!r} in {LOCK}, {new.get(key)!r} in params.yaml"] = None
    return list(found)


def changed_environment(weights: list[Path], clone: Path) -> list[str]:
    """Return what differs between here and where the weights were trained (from MLflow)."""
    from temper.tracking import store

    command = [sys.executable, "-m", "temper.cli.environment"]
    here = subprocess.run(command, cwd=clone, env=environment(), capture_output=True, text=True)
    before = store.environment_of(weights) if weights and not here.returncode else None
    if before is None:
        return ["(the tracking store has no run of this model: its environment is not known here)"]
    now = json.loads(here.stdout)
    return [f"{k}: {before.get(k)} then, {now.get(k)} here" for k in changed(before, now)]


def trained_weights(committed: Locked, cache: Path) -> list[Path]:
    """Return the weights that the committed train stage made, in the cache; none if not there."""
    paths = [
        file_diff.blob(cache, inside[name])
        for md5 in hashes(committed.get("train", {}), "outs").values()
        for inside in [file_diff.files(cache, md5) or {}]
        for name in sorted(inside)
        if name.endswith(".safetensors") and "/" not in name
    ]
    return [path for path in paths if path.exists()]


def in_clone(clone: Path, *command: str) -> int:
    """Run a command in the clone, apart from this repository and its tracker."""
    return subprocess.run(command, cwd=clone, env=environment()).returncode


def environment() -> dict[str, str]:
    own = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "MLFLOW_", "TEMPER_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{own.get('PATH', '')}"
    return own | {"PATH": path, "TEMPER_TRACKING": "off"}


def output(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True)
    return done.stdout.rstrip("\n")
