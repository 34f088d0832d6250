"""The MLflow run of a whole sweep, the parent of its trials' runs."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import optuna

from temper import tracking
from temper.tracking import addresses, store

if TYPE_CHECKING:
    from mlflow.entities import RunInfo

CACHED = "A trial whose values were trained before is DVC's, and has no run below this one."
LOCAL = "http://127.0.0.1:5000"  # address of `mlflow ui`


def store_uri() -> str:
    """Return the URI of the tracking store without its secrets, since it is stored."""
    return addresses.mask(store.tracking_uri())


def page_url(experiment: str, sweep: str, metric: str, *, greater_is_better: bool) -> str:
    """Return the address of MLflow's page that charts the trials together, best first."""
    uri = store.tracking_uri()
    server = addresses.without_secrets(uri) if uri.startswith("http") else LOCAL
    settings = {
        "compareRunsMode": "CHART",
        "searchFilter": f"tags.sweep = '{sweep}'",
        "orderByKey": f"metrics.`validation/{metric}`",
        "orderByAsc": str(not greater_is_better).lower(),
    }
    query = urlencode(settings, quote_via=quote)
    return f"{server.rstrip('/')}/#/experiments/{experiment}/runs?{store.VIEW}&{query}"


def open_run(name: str, file: Path, study: optuna.Study) -> "RunInfo | None":
    """Reopen the parent run, whose id the study has for each store, or create it.

    None where there is no tracking.
    """
    if tracking.is_off():
        return None
    try:
        client, uri, known = store.connect(), store_uri(), study.user_attrs.get("runs", {})
        if uri in known:
            client.update_run(known[uri], status="RUNNING")
            return client.get_run(known[uri]).info
        tags = {"mlflow.runName": name, "sweep": name}
        tags |= {"mlflow.source.name": file.name, "mlflow.source.type": "LOCAL"}
        info = client.create_run(store.experiment_id(client), tags=tags).info
        text = addresses.mask_all(file.read_text(encoding="utf-8"))  # of `storage`
        client.log_text(info.run_id, text, file.name)
        study.set_user_attr("runs", known | {uri: info.run_id})
        return info
    except Exception as error:  # a tracker may raise anything; it must not stop a sweep
        reason = store.error_message(error, store.tracking_uri())
        store.warn(f"{reason}; the trials have no parent run")
        return None


def close(info: "RunInfo | None", status: str, best: str, table: str) -> None:
    """End the run with the table of its trials as description.

    `best` becomes a tag, since a metric would add a chart to every page.
    """
    if info is None:
        return
    try:
        client = store.connect()
        if best:
            client.set_tag(info.run_id, "best", best)
            client.set_tag(info.run_id, "mlflow.note.content", f"{table}\n\n{CACHED}")
        client.set_terminated(info.run_id, status)
    except Exception as error:  # as above
        store.warn(store.error_message(error, store.tracking_uri()))
