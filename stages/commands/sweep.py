"""sweep.yaml → trials, each a training and an experiment; the best so far while they run.

`temper sweep sweep.yaml`, `temper sweep sweep.yaml -j 4 --storage postgresql+psycopg2://…`
"""

import fcntl
import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from stages import params, yaml_file
from stages.errors import InputError, nearest

SWEEPS = Path("sweeps")
STORAGE = "storage"  # in a sweep's folder: the URL of a database elsewhere, for `temper best`


def sweep(
    file: Annotated[Path, typer.Argument(help="The sweep's description.")] = Path("sweep.yaml"),
    jobs: Annotated[
        int, typer.Option("-j", "--jobs", min=1, help="Trials side by side, one GPU each.")
    ] = 1,
    storage: Annotated[
        str | None, typer.Option(help="An Optuna storage URL that several machines share.")
    ] = None,
) -> None:
    """Search for the parameters with the best validation score; goes on after an interrupt."""
    from stages.sweeping import plan as plans

    plan = plans.load(file)
    if storage is not None:
        plan = plan.model_copy(update={"storage": storage})
    root = Path.cwd()
    check_place(root, plan)
    os.environ["DVC_ROOT"] = str(root)
    folder = root / SWEEPS / plan.name
    begun = begun_with(plan, folder)
    text = committed_params(root, begun)
    tree = yaml.load(text, Loader=yaml_file.Loader)
    whole, greater = check_plan(plan, tree, file)
    with locked(folder):
        run(plan, file, root, tree, whole, greater=greater, jobs=jobs)


def check_place(root: Path, plan: Any) -> None:
    """Refuse a folder in which no sweep can run.

    Raises:
        InputError: says what is missing.
    """
    from stages import tracking
    from stages.sweeping import workspace

    if not (root / ".dvc").is_dir() or not (root / "dvc.yaml").is_file():
        raise InputError("this is no DVC repository; run it where dvc.yaml is")
    workspace.git(root, "rev-parse", "HEAD")
    workspace.git(root, "var", "GIT_COMMITTER_IDENT")
    if plan.prune is not None and tracking.is_off():
        raise InputError(
            "prune needs the scores that training records as it runs: unset TEMPER_TRACKING, or "
            "set prune: null"
        )


def database(plan: Any, folder: Path) -> str:
    """Return the URL of the sweep's database."""
    return plan.storage or f"sqlite:///{folder / 'trials.db'}"


def begun_with(plan: Any, folder: Path) -> dict[str, Any]:
    """Return what the sweep knows of its beginning; {} where it has none yet."""
    import optuna

    from stages.sweeping import study

    if plan.storage is None and not (folder / "trials.db").exists():
        return {}
    opened = study.open_storage(database(plan, folder))
    try:
        return optuna.load_study(study_name=plan.name, storage=opened).user_attrs
    except KeyError:
        return {}


def committed_params(root: Path, begun: dict[str, Any]) -> str:
    """Return params.yaml as the sweep began with it, or as it is now.

    Raises:
        InputError: git does not have the commit.
    """
    from stages.sweeping import workspace

    if "commit" not in begun:
        params.load()
        return params.PARAMS_FILE.read_text(encoding="utf-8")
    if not workspace.has(root, begun["commit"]):
        dirty = begun["commit"] != begun["baseline"]
        raise InputError(
            f"the sweep was begun at commit {begun['baseline'][:10]}"
            + (
                " with changes that were not committed, which only that clone has: commit them "
                "and give the sweep another name"
                if dirty
                else ", which this clone does not have: git fetch it"
            )
        )
    if begun["commit"] not in workspace.snapshot(root):
        print(f"the sweep goes on with the code it began with, commit {begun['baseline'][:10]}")
    return workspace.git(root, "show", f"{begun['commit']}:./{params.PARAMS_FILE}") + "\n"


def check_plan(plan: Any, tree: dict[str, Any], file: Path) -> tuple[dict[str, bool], bool]:
    """Check a plan against params.yaml.

    Returns:
        which parameters are whole numbers, and whether a greater score is better.

    Raises:
        InputError: a parameter or the objective does not fit.
    """
    import json

    from stages.sweeping import score, space

    whole = space.check(plan, tree, file)
    parameters = params.Params.model_validate_json(json.dumps(tree))
    known = score.directions(parameters)
    if plan.metric not in known:
        line = yaml_file.line_of(yaml_file.compose(file), ("objective",))
        raise InputError(
            f"{file}:{line}: objective: {parameters.task.metrics} has no metric {plan.metric!r}"
            f"{nearest(plan.metric, list(known))}; allowed: {', '.join(known)}"
        )
    return whole, known[plan.metric]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the sweep's folder.

    Raises:
        InputError: another process does.
    """
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"the sweep {folder.name} is running here already; -j says how many workers it has"
            ) from None
        yield


def folder_id(folder: Path) -> str:
    """Return a name for this clone's folder of the sweep, the same after a restart."""
    file = folder / "id"
    if not file.exists():
        file.write_text(uuid.uuid4().hex)
    return file.read_text()


def run(
    plan: Any,
    file: Path,
    root: Path,
    tree: dict[str, Any],
    whole: dict[str, bool],
    *,
    greater: bool,
    jobs: int,
) -> None:
    """Run what is left of a sweep whose folder is held."""
    from rich.console import Console

    from stages.sweeping import leases, parent, ranking, runner, show, study

    folder, console = root / SWEEPS / plan.name, Console(highlight=False)
    storage = study.open_storage(database(plan, folder))
    mine = leases.Leases(
        storage.engine, plan.name, folder_id(folder), uuid.uuid4().hex, alone=plan.storage is None
    )
    found = study.Study(plan, storage, whole, mine, greater=greater)
    baseline, commit = begin(found, root, tree)
    if plan.storage is not None:
        (folder / STORAGE).touch(mode=0o600)  # the URL may hold a password
        (folder / STORAGE).write_text(plan.storage)
    runs = parent.open_run(plan.name, file, found.study.user_attrs.get("runs", {}))
    found.study.set_user_attr("runs", runs)
    environment = {"TEMPER_PARENT_RUN": runs.get(parent.place(), "")}
    work = runner.Work(
        plan=plan,
        tree=tree,
        root=root,
        folder=folder,
        baseline=baseline,
        commit=commit,
        environment=environment,
    )
    status = "KILLED"
    try:
        with show.Display(found, console) as display:
            runner.Runner(work, found, jobs, devices(jobs, tree), display.update).run()
        status = "FINISHED"
    finally:
        scores = [
            c.mean for c in show.ranking.ranked(found.results(), plan.num_seeds, greater=greater)
        ]
        parent.close_run(
            runs, status, {plan.objective.replace(".", "/"): scores[0]} if scores else {}
        )
    report(found, console, folder)


def begin(found: Any, root: Path, tree: dict[str, Any]) -> tuple[str, str]:
    """Return the baseline and the commit of the trials; written down where the sweep is new.

    Raises:
        InputError: experiments have its names, or git lacks a file that the parameters name.
    """
    import json

    from stages.sweeping import workspace

    plan, known = found.plan, found.study.user_attrs
    if "commit" not in known:
        taken = workspace.experiments(root, plan.name)
        if taken:
            raise InputError(
                f"there are experiments {taken[0]} … of an earlier sweep {plan.name}: give this "
                f"one another name, or remove them: dvc exp remove {' '.join(taken)}"
            )
        baseline, commit = workspace.snapshot(root)
        found.remember("baseline", baseline)
        found.remember("commit", commit)
    found.check_same()
    known = found.study.user_attrs
    parameters = params.Params.model_validate_json(json.dumps(tree))
    missing = workspace.unknown_files(root, known["commit"], parameters)
    if missing:
        raise InputError(
            f"git does not know {', '.join(missing)}, and trials have what git knows: git add or "
            f"dvc add it"
        )
    workspace.keep(root, plan.name, known["commit"])
    return known["baseline"], known["commit"]


def devices(jobs: int, tree: dict[str, Any]) -> list[str]:
    """Return the GPUs to deal out to workers; [] where they are left alone.

    Raises:
        InputError: one training takes several processes, and so all GPUs.
    """
    if jobs == 1:
        return []
    launch = Path("launch") / f"{tree['train']['launch']}.yaml"
    if launch.exists():
        content = yaml.load(launch.read_text(encoding="utf-8"), Loader=yaml_file.Loader)
        if content.get("num_processes", 1) > 1 and not tree["train"]["launch"].startswith("cpu"):
            raise InputError(
                f"-j {jobs}: a training with {launch} uses every GPU; use -j 1, or train.launch: "
                "single"
            )
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [d for d in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if d]
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return [str(i) for i in range(sum(x.startswith("GPU ") for x in listed.stdout.splitlines()))]


def report(found: Any, console: Any, folder: Path) -> None:
    """Show every configuration, what failed, and what comes next."""
    from stages.sweeping import show

    results = found.results()
    console.print(show.table(found.plan, results, greater=found.greater))
    console.print(show.counts(results))
    for result in results:
        if result.state == "FAIL":
            console.print(
                f"trial {result.number} failed: {result.notes.get('reason')}; "
                f"log {result.notes.get('log')}",
                soft_wrap=True,
            )
    served = "MLFLOW_TRACKING_URI" in os.environ
    ui = "mlflow ui --backend-store-uri sqlite:///mlflow.db"
    console.print(f"next       temper best {found.plan.name}")
    console.print("           dvc exp show --only-changed")
    console.print(f"runs       {'on the server of MLFLOW_TRACKING_URI' if served else ui}")
