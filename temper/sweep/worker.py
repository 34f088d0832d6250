"""Commands on standard input → trials, one after another, in a workspace that stays.

`python -m temper.sweep.worker <root> <workspace> <baseline> <commit>`, which `temper sweep`
starts. DVC stays loaded between trials; what a trial prints goes to its log.
"""

import copy
import fcntl
import functools
import json
import math
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from temper import params
from temper.core import determinism
from temper.core.errors import InputError
from temper.sweep import child_processes, objective, workspace
from temper.sweep.workspace import STAGE

PIPELINE = "dvc.yaml"
PREPARING = "preparing.lock"  # one worker makes what several trials share, the others find it


def remember_yaml() -> None:
    """Let DVC parse each YAML text once: it reads params.yaml for every stage, several times."""
    from dvc.utils import strictyaml
    from dvc.utils.serialize import _yaml

    parse = _yaml.parse_yaml

    @functools.lru_cache(maxsize=64)
    def parsed(text: str, typ: str) -> Any:
        return parse(text, "", typ)

    def parse_yaml(text: str, path: str, typ: str = "safe") -> Any:
        try:
            return copy.deepcopy(parsed(text, typ))
        except Exception:
            return parse(text, path, typ)  # the error names the path

    _yaml.parse_yaml = strictyaml.parse_yaml = parse_yaml


@contextmanager
def printing_to(log: Path) -> Iterator[None]:
    """Send what this process and its children print to the end of a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    before = os.dup(1), os.dup(2)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for target, handle in zip((1, 2), before, strict=True):
            os.dup2(handle, target)
            os.close(handle)


class Preparation:
    """What trainings start from, made where a trial's values change it.

    Args:
        repo: DVC's, of the workspace.
        shared: a lock; one worker prepares, the others find what it made in DVC's cache.
    """

    def __init__(self, repo: Any, shared: Path):
        self.repo, self.shared, self.made = repo, shared, None
        needed = [s for s in repo.stage.collect(STAGE, with_deps=True) if s.addressing != STAGE]
        keys = {key for stage in needed for key in read_by(stage)}
        text = Path(PIPELINE).read_text(encoding="utf-8")
        self.keys = keys | set(re.findall(r"\$\{([^}]+)\}", text))

    def make(self, values: dict[str, Any]) -> None:
        """Run the stages before training, unless the last trial here had the same of them."""
        wanted = {k: v for k, v in values.items() if any(overlap(k, key) for key in self.keys)}
        if wanted == self.made:
            return
        self.made = None
        stages = [stage.addressing for stage in self.repo.stage.collect(STAGE, with_deps=True)]
        stages.remove(STAGE)
        with self.shared.open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if stages:
                self.repo.reproduce(targets=stages)
        self.made = wanted


def read_by(stage: Any) -> list[str]:
    """Return the dotted keys of params.yaml that a stage depends on."""
    return [key for dependency in stage.params for key in dependency.params]


def overlap(one: str, other: str) -> bool:
    """Tell whether one of two dotted keys is the other or lies below it."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def run(before: Preparation, given: str, baseline: str, order: dict[str, Any]) -> dict[str, Any]:
    """Run one trial; return its score and its experiment's commit, or the reason it failed.

    Args:
        before: makes what training starts from.
        given: text of params.yaml as the sweep began with it.
        baseline: the experiment's parent.
        order: what `runner` wrote.
    """
    folder, started = Path(before.repo.root_dir), time.monotonic()
    os.environ.update(order["environment"])
    log = Path(order["log"])
    with printing_to(log):
        try:
            text = workspace.edited(given, order["values"])
            (folder / params.PARAMS_FILE).write_text(text, encoding="utf-8")
            before.make(order["values"])
            before.repo.reproduce(targets=[STAGE], single_item=True)
            parameters = params.load(folder / params.PARAMS_FILE)
            text = (folder / objective.FILE).read_text(encoding="utf-8")
            found = objective.kept(text, parameters, order["metric"])
            if not math.isfinite(found):
                raise InputError(f"{order['metric']} is {found}")
            rev = workspace.commit_experiment(folder, baseline, order["name"])
        except Exception as error:  # one trial's failure is not the next one's
            is_ours = isinstance(error, InputError)
            if not is_ours:
                traceback.print_exc()
            sys.stderr.flush()
            reason = str(error) if is_ours else reason_in(log, error)
            return {"reason": reason, "elapsed_s": time.monotonic() - started}
    return {"score": found, "rev": rev, "elapsed_s": time.monotonic() - started}


def reason_in(log: Path, error: Exception) -> str:
    """Return the last error a log tells of, and else what DVC says."""
    with suppress(OSError):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        cut = next((i for i, line in enumerate(lines) if line.startswith("Traceback")), len(lines))
        said = [line for line in lines if line.startswith("error: ")]
        raised = [x for x in lines[cut:] if x[:1].strip() and "Error" in x.split(":")[0]]
        if said:
            return said[-1].removeprefix("error: ")
        if raised and not raised[0].startswith("dvc."):
            return raised[0]
    return str(error)


def main(root: Path, folder: Path, baseline: str, commit: str) -> None:
    determinism.end_with_parent()
    child_processes.stop_with_children()
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is the sweep's: it ends trainings in order
    os.environ["DVC_ROOT"] = str(root)
    answers = os.fdopen(os.dup(1), "w")  # what is printed goes elsewhere
    os.dup2(2, 1)
    remember_yaml()
    with printing_to(folder.parent / f"{folder.name}.log"):
        at = workspace.make(root, folder, baseline, commit)
        os.chdir(at)
        given = Path(params.PARAMS_FILE).read_text(encoding="utf-8")
        before = Preparation(workspace.connect(root, at), root / "sweeps" / PREPARING)
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        answer = run(before, given, baseline, json.loads(line))
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
