"""Rebuild the committed dvc.lock in a scratch clone; report which bytes differ and why.

`temper verify`, `temper verify evaluate export`, `temper verify --no-download`; `--of FOLDER` names
the commit that an exported folder is of.
"""

import os
import shutil
import sys
import tempfile
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from temper import repo
from temper.cli import origin, verify_causes
from temper.cli.verify_causes import Stages, makers
from temper.compare import file_diff
from temper.core.errors import InputError, alternatives
from temper.repo import LOCK, hashes

DOWNLOAD = (  # skipped by --no-download
    *("data_files", "model_files", "synonym_files"),
    *("download", "zero_shot", "translators", "teachers"),
)


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
    repo.check_top()
    if changes := repo.git("status", "--porcelain", "-uno"):
        print(f"verifying the commit, without uncommitted changes:\n{changes}", file=sys.stderr)
    known, stages = stages_of_commit(), repo.locked_stages(text, f"{LOCK} of the current commit")
    if left := [stage for stage in stages if stage not in known]:  # DVC never removes them
        print(f"not verified, as no longer in dvc.yaml: {', '.join(left)}", file=sys.stderr)
    if lacking := sorted(known - stages.keys()):
        print(f"not verified, as not in {LOCK}: {', '.join(lacking)}", file=sys.stderr)
    return {name: stage for name, stage in stages.items() if name in known}


def stages_of_commit() -> set[str]:
    """Return the names of the stages that dvc.yaml and params.yaml of the current commit make.

    Raises:
        InputError: DVC cannot read them.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.stage import PipelineStage

    try:
        with Repo(rev="HEAD") as opened:
            stages = [s for s in opened.index.stages if isinstance(s, PipelineStage)]
            return {str(stage.name) for stage in stages}
    except DvcException as error:
        raise InputError(f"the current commit: {error}") from error


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


def make_clone(clone: Path, committed: Stages, selected: list[str], cache: Path) -> None:
    """Clone the commit with an empty DVC cache, and copy the inputs of the selected stages.

    Raises:
        InputError: an output of an earlier stage is not in the cache, or a data file is missing.
    """
    from dvc.config import Config

    repo.git("clone", "-q", ".", str(clone))
    (clone.parent / "cache").symlink_to(cache)
    local: Any = Config(str(clone / ".dvc")).edit("local")
    with local as config:  # relative: DVC cannot write a path that is not ASCII
        config["cache"] = {"dir": os.path.relpath(clone / ".dvc/cache")}
        config["remote"] = {"verified": {"url": os.path.relpath(clone.parent / "cache")}}
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
    stages = repo.locked_stages(lock.read_text(encoding="utf-8"))
    kept = {name: stage for name, stage in stages.items() if name not in selected}
    text = yaml.safe_dump({"schema": "2.0", "stages": kept}, sort_keys=False)
    lock.write_text(text, encoding="utf-8")
    dvc(clone, "repro", "--no-run-cache", "--single-item", *selected)
    return repo.locked_stages(lock.read_text(encoding="utf-8"))


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
    built = [stage for stage in selected if stage in rebuilt]
    causes = verify_causes.likely(committed, rebuilt, built, clone, caches)
    print("likely cause:", *(causes or ["unknown; see docs/reproducibility.md"]), sep="\n    ")
    return False


def dvc(clone: Path, *arguments: str) -> int:
    """Run a dvc command in the clone, isolated from this repository and its tracker."""
    return repo.dvc(*arguments, cwd=clone, env=verify_causes.environment())
