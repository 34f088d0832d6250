"""Read named runs and the costs of trainings from MLflow's store, if it can be reached."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from temper.core.errors import InputError
from temper.tracking import addresses, is_off
from temper.tracking.store import (
    EXPERIMENT,
    connect,
    error_message,
    recorded_uri,
    root,
    tracking_uri,
)

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

ARTIFACTS = ("evaluation/metrics.json", "params.yaml")
TRAINING_COSTS = ("train_time_s", "samples_per_s", "peak_memory_gib", "peak_gpu_memory_gib")
LATENCIES = ("model_latency_ms", "model_int8_latency_ms")
NOT_COMPARED = ("evaluate.", "export.", "data.license", "data.description")  # no effect on training


def read_run(run_id: str) -> tuple["Run", bytes, str]:
    """Return an MLflow run with its metrics.json and its params.yaml.

    Raises:
        InputError: the store does not answer or lacks the run, or the run has not finished.
    """
    client, reason = open_store()
    if client is None:
        raise InputError(f"run {run_id}: {reason}; name experiments or git revisions instead")
    try:
        run = client.get_run(run_id)
    except Exception as error:  # a tracker may raise anything
        raise InputError(
            f"{run_id}: neither a git revision nor the id of a run: "
            f"{error_message(error, tracking_uri())}"
        ) from None
    try:
        with tempfile.TemporaryDirectory() as folder:
            files = [client.download_artifacts(run_id, name, folder) for name in ARTIFACTS]
            return run, Path(files[0]).read_bytes(), Path(files[1]).read_text(encoding="utf-8")
    except Exception as error:  # likewise
        status = run.data.tags.get("stage.evaluate", "not run")
        raise InputError(
            f"run {run_id} has no {' and '.join(ARTIFACTS)} (stage evaluate: {status}): "
            f"{addresses.hide(first_line(error), tracking_uri())}"
        ) from None


def store_location() -> str:
    """Return the store's address as messages show it."""
    return recorded_uri() or str(root() / "mlflow.db")


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def open_store() -> tuple["MlflowClient | None", str]:
    """Return a client, or None and the reason; a store is never created."""
    if is_off():
        return None, "TEMPER_TRACKING is off"
    if not os.environ.get("MLFLOW_TRACKING_URI") and not (root() / "mlflow.db").exists():
        return None, f"there is no {store_location()}"
    try:
        return connect(), ""
    except Exception as error:  # a tracker may raise anything
        return None, error_message(error, tracking_uri())


def costs(
    models: Sequence[tuple["Run | None", Mapping[str, Any], Mapping[str, float], str]],
) -> tuple[list[dict[str, float]], str]:
    """Return the costs that each model's run recorded, and the reason if some are missing.

    Args:
        models: of each the MLflow run if it was named, the parameters by dotted key, the scores of
            metrics.json under MLflow's names, and the experiment's name.
    """
    client, reason = open_store()
    nothing: list[dict[str, float]] = [{} for _ in models]
    if client is None:
        return nothing, f"no time, latency or memory: {reason}"
    try:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        experiment = client.get_experiment_by_name(name)
        measured = []
        for run, leaves, scores, label in models:
            known = [run] if run is not None else []
            if experiment is not None:
                known += find_runs(client, experiment.experiment_id, leaves, scores, label)
            measured.append(merge_costs(client, known))
    except Exception as error:  # a tracker may raise anything
        return nothing, f"no time, latency or memory: {error_message(error, tracking_uri())}"
    num_missing = sum(not cost for cost in measured)
    reason = f"no run of {num_missing} of them in {store_location()}" if num_missing else ""
    return measured, reason


def find_runs(
    client: "MlflowClient",
    experiment: str,
    leaves: Mapping[str, Any],
    scores: Mapping[str, float],
    name: str,
) -> list["Run"]:
    """Return the runs with these scores and parameters: the named experiment's first, by date."""
    known = [(key, value) for key, value in scores.items() if value >= 0]  # queries have no minus
    query = " and ".join(f"metrics.`{key}` = {value:.6f}" for key, value in known[:3])
    texts = {k: str(v)[:6000] for k, v in leaves.items() if not k.startswith(NOT_COMPARED)}
    runs = [
        run
        for run in client.search_runs([experiment], query, order_by=["start_time DESC"])
        if all(run.data.params.get(key, text) == text for key, text in texts.items())
    ]
    return sorted(runs, key=lambda run: run.data.tags.get("dvc.exp_name") != name)


def merge_costs(client: "MlflowClient", runs: Sequence["Run"]) -> dict[str, float]:
    """Return each cost from the first run that has it; those of training from one that trained.

    A run whose training was restored or reused is tagged `trained_by` or has 0 steps/s, and its
    time is not that of the training.
    """
    known = list(runs)
    for run in runs:
        if "trained_by" in run.data.tags:
            known.append(client.get_run(run.data.tags["trained_by"]))
    costs: dict[str, float] = {}
    for run in known:
        recorded = run.data.metrics
        names = [*LATENCIES]
        if recorded.get("system/steps_per_s") and "system/train_time_s" not in costs:
            names += TRAINING_COSTS
            steps = recorded["system/steps_per_s"] * recorded.get("system/train_time_s", 0)
            costs.setdefault("steps", steps)
        for name in names:
            if f"system/{name}" in recorded:
                costs.setdefault(name, recorded[f"system/{name}"])
    return costs
