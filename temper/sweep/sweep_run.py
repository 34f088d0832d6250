"""The MLflow run of a whole sweep: its trials' runs stand below it."""

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from temper import tracking
from temper.tracking import store

LOCAL = "http://127.0.0.1:5000"  # of `mlflow ui`


def place() -> str:
    """Return where runs go; it is written down, so without a password."""
    return store.masked(store.chosen_uri())


def page(uri: str, experiment: str, sweep: str, metric: str, *, greater: bool) -> str:
    """Return the address of MLflow's page that draws the trials over each other, best first.

    Args:
        uri: of the store; who logs in there, and how, is left out.
        experiment: MLflow's id.
        metric: of validation.
        greater: whether more of it is better.
    """
    server = re.sub(r"//[^/@]*@", "//", uri) if uri.startswith("http") else LOCAL
    shown = {
        "workflowType": "machine_learning",
        "compareRunsMode": "CHART",
        "searchFilter": f"tags.sweep = '{sweep}'",
        "orderByKey": f"metrics.`validation/{metric}`",
        "orderByAsc": "false" if greater else "true",
    }
    query = urlencode(shown, quote_via=quote)
    return f"{server.rstrip('/')}/#/experiments/{experiment}/runs?{query}"


class SweepRun:
    """The sweep's run, found again or made while the workers start.

    Args:
        name: of the sweep.
        file: the sweep.yaml, kept with the run.
        known: runs of the sweep by the store they are in, from any machine.
    """

    def __init__(self, name: str, file: Path, known: Mapping[str, str]):
        self.name, self.file, self.known = name, file, known
        threads = ThreadPoolExecutor(1)  # mlflow takes as long to start as a worker
        self.opened = threads.submit(self._open)
        threads.shutdown(wait=False)

    @property
    def run_id(self) -> str:
        """Return the run's id, or '' where there is none; the first call waits for it."""
        found = self.opened.result()
        return found.run_id if found else ""

    def _open(self) -> Any:
        """Return MLflow's RunInfo of the run, or None."""
        if tracking.is_off():
            return None
        try:
            client, before = store.connect(), self.known.get(place())
            if before is not None:
                client.update_run(before, status="RUNNING")
                return client.get_run(before).info
            tags = {"mlflow.runName": self.name, "sweep": self.name}
            tags |= {"mlflow.source.name": self.file.name, "mlflow.source.type": "LOCAL"}
            run = client.create_run(store.experiment_id(client), tags=tags).info
            client.log_artifact(run.run_id, str(self.file))
            return run
        except Exception as error:  # whatever a tracker can throw must not stop a sweep
            store.warn(f"{error!s:.300}; the trials have no run above them")
            return None

    def page(self, metric: str, *, greater: bool) -> str:
        """Return the address of the trials' page; '' where there is none."""
        found = self.opened.result()
        if found is None:
            return ""
        return page(store.chosen_uri(), found.experiment_id, self.name, metric, greater=greater)

    def close(self, status: str, found: str) -> None:
        """End the run with what the sweep found; a metric of it would be one more chart."""
        if not self.run_id:
            return
        try:
            client = store.connect()
            if found:
                client.set_tag(self.run_id, "best", found)
            client.set_terminated(self.run_id, status)
        except Exception as error:  # as above
            store.warn(f"{error!s:.300}")
