"""The MLflow run of a whole sweep, the parent of its trials' runs."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from temper import tracking
from temper.tracking import addresses, store

if TYPE_CHECKING:
    from mlflow.entities import RunInfo

LOCAL = "http://127.0.0.1:5000"  # address of `mlflow ui`


def store_uri() -> str:
    """Return the URI of the tracking store without its secrets, since it is stored."""
    return addresses.mask(store.tracking_uri())


def page_url(uri: str, experiment: str, sweep: str, metric: str, *, greater_is_better: bool) -> str:
    """Return the address of MLflow's page that charts the trials together, best first.

    Args:
        uri: of the store; its secrets are left out.
        experiment: MLflow's id.
        sweep: its name.
        metric: of validation.
        greater_is_better: for the metric.
    """
    server = addresses.without_secrets(uri) if uri.startswith("http") else LOCAL
    settings = {
        "workflowType": "machine_learning",
        "compareRunsMode": "CHART",
        "searchFilter": f"tags.sweep = '{sweep}'",
        "orderByKey": f"metrics.`validation/{metric}`",
        "orderByAsc": "false" if greater_is_better else "true",
    }
    query = urlencode(settings, quote_via=quote)
    return f"{server.rstrip('/')}/#/experiments/{experiment}/runs?{query}"


class SweepRun:
    """The parent run, reopened or created in a thread while the workers start.

    Args:
        name: of the sweep.
        file: sweep.yaml, an artefact of the run.
        known_runs: run ids of the sweep by the store they are in, from any machine.
    """

    def __init__(self, name: str, file: Path, known_runs: Mapping[str, str]):
        self.name, self.file, self.known_runs = name, file, known_runs
        threads = ThreadPoolExecutor(1)  # importing mlflow takes as long as starting a worker
        self.opened = threads.submit(self._open)
        threads.shutdown(wait=False)

    @property
    def run_id(self) -> str:
        """Return the run's id, or '' where there is none; the first call waits for it."""
        info = self.opened.result()
        return info.run_id if info else ""

    def _open(self) -> "RunInfo | None":
        if tracking.is_off():
            return None
        try:
            client, run_id = store.connect(), self.known_runs.get(store_uri())
            if run_id is not None:
                client.update_run(run_id, status="RUNNING")
                return client.get_run(run_id).info
            tags = {"mlflow.runName": self.name, "sweep": self.name}
            tags |= {"mlflow.source.name": self.file.name, "mlflow.source.type": "LOCAL"}
            info = client.create_run(store.experiment_id(client), tags=tags).info
            text = addresses.mask_all(self.file.read_text(encoding="utf-8"))  # of `storage`
            client.log_text(info.run_id, text, self.file.name)
            return info
        except Exception as error:  # a tracker may raise anything; it must not stop a sweep
            reason = store.error_message(error, store.tracking_uri())
            store.warn(f"{reason}; the trials have no parent run")
            return None

    def page_url(self, metric: str, *, greater_is_better: bool) -> str:
        """Return the address of the trials' page; '' where there is no run."""
        info = self.opened.result()
        if info is None:
            return ""
        return page_url(
            store.tracking_uri(),
            info.experiment_id,
            self.name,
            metric,
            greater_is_better=greater_is_better,
        )

    def close(self, status: str, best: str) -> None:
        """End the run; `best` becomes a tag, since a metric would add a chart to every page."""
        if not self.run_id:
            return
        try:
            client = store.connect()
            if best:
                client.set_tag(self.run_id, "best", best)
            client.set_terminated(self.run_id, status)
        except Exception as error:  # as above
            store.warn(store.error_message(error, store.tracking_uri()))
