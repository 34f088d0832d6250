"""The MLflow run of a whole sweep: its trials' runs stand below it."""

from pathlib import Path

from stages import tracking
from stages.tracking import store


def place() -> str:
    """Return where runs go; it is written down, so without a password."""
    return store.masked(store.chosen_uri())


def open_run(name: str, file: Path, known: dict[str, str]) -> dict[str, str]:
    """Return the sweep's run by the store it is in, found again or made; {} where there is none.

    Args:
        name: of the sweep.
        file: the sweep.yaml, kept with the run.
        known: what this function returned before, on any machine.
    """
    if tracking.is_off():
        return {}
    try:
        client = store.connect()
        if place() in known:
            client.update_run(known[place()], status="RUNNING")
            return known
        tags = {"mlflow.runName": name, "sweep": name}
        run = client.create_run(store.experiment_id(client), tags=tags).info.run_id
        client.log_artifact(run, str(file))
        return known | {place(): run}
    except Exception as error:  # whatever a tracker can throw must not stop a sweep
        store.warn(f"{error!s:.300}; the trials have no run above them")
        return {}


def close_run(known: dict[str, str], status: str, numbers: dict[str, float]) -> None:
    """End the sweep's run with what it found."""
    if not known:
        return
    try:
        client = store.connect()
        for key, value in numbers.items():
            client.log_metric(known[place()], key, value)
        client.set_terminated(known[place()], status)
    except Exception as error:  # as above
        store.warn(f"{error!s:.300}")
