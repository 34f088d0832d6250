"""A worker process: runs the trials it is sent, one after another, in a git worktree.

`python -m temper.sweep.worker <root> <worktree> <baseline> <commit>`, started by `temper sweep`.
DVC stays loaded between trials; the output of a trial goes to its log.
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
UPSTREAM_LOCK = "preparing.lock"  # one worker runs a shared upstream stage, the others restore it


def cache_yaml_parsing() -> None:
    """Make DVC parse each YAML text once: it reads params.yaml for every stage, several times."""
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
def redirect_output(log: Path) -> Iterator[None]:
    """Append the output of this process and its children to a file."""
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


class UpstreamStages:
    """The stages before training, run again where a trial's values affect them.

    Args:
        repo: `dvc.repo.Repo` of the worktree, whose decorators hide its types.
        lock: file; one worker runs the stages, the others restore the outputs from DVC's cache.
    """

    def __init__(self, repo: Any, lock: Path):
        self.repo, self.lock = repo, lock
        self.last_values: dict[str, Any] | None = None  # that the stages last ran with
        stages = [s for s in repo.stage.collect(STAGE, with_deps=True) if s.addressing != STAGE]
        keys = {key for stage in stages for key in param_keys(stage)}
        text = Path(PIPELINE).read_text(encoding="utf-8")
        self.keys = keys | set(re.findall(r"\$\{([^}]+)\}", text))

    def run(self, values: dict[str, Any]) -> None:
        """Run the stages, unless the last trial here had the same values of their parameters."""
        relevant = {k: v for k, v in values.items() if any(overlap(k, key) for key in self.keys)}
        if relevant == self.last_values:
            return
        self.last_values = None
        stages = [stage.addressing for stage in self.repo.stage.collect(STAGE, with_deps=True)]
        stages.remove(STAGE)
        with self.lock.open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if stages:
                self.repo.reproduce(targets=stages)
        self.last_values = relevant


def param_keys(stage: Any) -> list[str]:
    """Return the dotted keys of params.yaml that a stage depends on."""
    return [key for dependency in stage.params for key in dependency.params]


def overlap(first: str, second: str) -> bool:
    """Check whether two dotted keys are equal or one is below the other."""
    return f"{first}.".startswith(f"{second}.") or f"{second}.".startswith(f"{first}.")


def run_trial(
    upstream: UpstreamStages, params_text: str, baseline: str, request: dict[str, Any]
) -> dict[str, Any]:
    """Run one trial; return its score and its experiment's commit, or the reason it failed.

    Args:
        upstream: runs what training starts from.
        params_text: params.yaml when the sweep started.
        baseline: the experiment's parent.
        request: from `Runner`: name, values, metric, environment and log.
    """
    folder, started = Path(upstream.repo.root_dir), time.monotonic()
    os.environ.update(request["environment"])
    log = Path(request["log"])
    with redirect_output(log):
        try:
            text = workspace.edit_params(params_text, request["values"])
            (folder / params.PARAMS_FILE).write_text(text, encoding="utf-8")
            upstream.run(request["values"])
            upstream.repo.reproduce(targets=[STAGE], single_item=True)
            parameters = params.load(folder / params.PARAMS_FILE)
            history = (folder / objective.HISTORY_FILE).read_text(encoding="utf-8")
            score = objective.model_score(history, parameters, request["metric"])
            if not math.isfinite(score):
                raise InputError(f"{request['metric']} is {score}")
            rev = workspace.commit_experiment(folder, baseline, request["name"])
        except Exception as error:  # a failed trial must not end the worker
            is_ours = isinstance(error, InputError)
            if not is_ours:
                traceback.print_exc()
            sys.stderr.flush()
            reason = str(error) if is_ours else failure_reason(log, error)
            return {"reason": reason, "elapsed_s": time.monotonic() - started}
    return {"score": score, "rev": rev, "elapsed_s": time.monotonic() - started}


def failure_reason(log: Path, error: Exception) -> str:
    """Return the last error in a trial's log; without one, the stage's last line and its status."""
    lines: list[str] = []
    with suppress(OSError):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        starts = [i for i, line in enumerate(lines) if line.startswith("Running stage ")]
        lines = lines[starts[-1] :] if starts else lines  # a trial that was taken over has more
        cut = next((i for i, line in enumerate(lines) if line.startswith("Traceback")), len(lines))
        reported = [line for line in lines if line.startswith("error: ")]
        raised = [x for x in lines[cut:] if x[:1].strip() and "Error" in x.split(":")[0]]
        if reported:
            return reported[-1].removeprefix("error: ")
        if raised and not raised[0].startswith("dvc."):
            return raised[0]
        lines = [x for x in lines[1:cut] if x.strip() and "%|" not in x and x[:2] != "> "]
    cause: BaseException = error
    while cause.__cause__ is not None:  # DVC's own is "failed to reproduce 'train'"
        cause = cause.__cause__
    return f"{lines[-1]} ({cause})" if lines else str(cause)


def main(root: Path, folder: Path, baseline: str, commit: str) -> None:
    determinism.end_with_parent()
    child_processes.stop_descendants_on_sigterm()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # on Ctrl-C the sweep ends its workers in order
    os.environ["DVC_ROOT"] = str(root)
    responses = os.fdopen(os.dup(1), "w")  # prints must not get between them
    os.dup2(2, 1)
    cache_yaml_parsing()
    with redirect_output(folder.parent / f"{folder.name}.log"):
        worktree = workspace.create(root, folder, baseline, commit)
        os.chdir(worktree)
        params_text = Path(params.PARAMS_FILE).read_text(encoding="utf-8")
        repo = workspace.open_repo(root, worktree)
        upstream = UpstreamStages(repo, root / "sweeps" / UPSTREAM_LOCK)
    print(json.dumps({"ready": True}), file=responses, flush=True)
    for line in sys.stdin:
        response = run_trial(upstream, params_text, baseline, json.loads(line))
        print(json.dumps(response), file=responses, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
