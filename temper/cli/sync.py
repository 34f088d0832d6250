"""Send to MLflow what the stages could not.

`temper sync`
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from temper.core.errors import InputError
from temper.tracking import addresses, database, journal, run_writer, store

if TYPE_CHECKING:
    from mlflow.entities import Run


def sync() -> None:
    """Send to MLflow what the stages could not.

    Everything goes to the server it was meant for, or to MLFLOW_TRACKING_URI where that is set.
    Nothing is sent twice.
    """
    if not Path("dvc.yaml").exists():
        raise InputError("there is no dvc.yaml here; run this at the root of the repository")
    stores, num_left, num_busy = find_journals()
    failed = [message for recorded, uri in stores.items() for message in send(recorded, uri)]
    if num_busy:
        print(f"{num_busy} stages are still running and send their own records")
    if failed:
        raise InputError(
            f"not everything was sent, the rest is kept in tracking/: {'; '.join(failed)}"
        )
    if not num_left:
        print("nothing to send")


def find_journals() -> tuple[dict[str | None, str], int, int]:
    """Find the journals to send.

    Returns:
        the URI of each store, by the URI that journals record (None: all of them), the number of
        journals to send, and the number of those that a running stage owns.

    Raises:
        InputError: a URI had a password, which journals do not store.
    """
    stores: dict[str | None, str] = {}
    num_left = 0
    for left in journal.left_behind():
        num_left += 1
        opened = run_writer.RunWriter(left).first_record()
        recorded = opened.get("uri", "") if opened else ""
        stores[recorded] = recorded or store.default_uri()
    num_busy = len(list(journal.folder().glob("*.jsonl"))) - num_left
    if os.environ.get("MLFLOW_TRACKING_URI"):
        stores = {None: store.tracking_uri()} if stores else {}
    for uri in stores.values():
        if addresses.HIDDEN in uri:
            raise InputError(f"the secrets of {uri} are not stored; set MLFLOW_TRACKING_URI")
    return stores, num_left, num_busy


def send(recorded: str | None, uri: str) -> list[str]:
    """Send the journals of one store and print a line for each; return the errors."""
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    failed, runs = [], {}
    try:
        client = store.connect(uri)
        for writer, error in run_writer.upload_left_behind(client, recorded):
            if error is not None:
                failed.append(f"{writer.journal.path}: {store.error_message(error, uri)}")
            elif writer.run is not None:
                runs[writer.run_id] = writer.run
                name, values = writer.tags["mlflow.runName"], writer.counts["values"]
                files = writer.counts["files"]
                print(f"{name}: {writer.stage}, {values:,} metrics, {files} files", flush=True)
    except Exception as error:  # a tracker may raise anything
        hint = "; start it, or set MLFLOW_TRACKING_URI to another, and run temper sync again"
        hint = "" if database.remedy(error, uri) else hint
        failed.append(store.error_message(error, uri) + hint)
    for line in where_to_look(uri, runs):
        print(line)
    return failed


def where_to_look(uri: str, runs: dict[str, "Run"]) -> list[str]:
    """Return the addresses of the runs, or the command that shows them."""
    if uri.startswith("http"):
        page = addresses.without_secrets(uri).rstrip("/")
        page = f"{page}/#/experiments"
        return [f"{page}/{r.info.experiment_id}/runs/{i}?{store.VIEW}" for i, r in runs.items()]
    return [f"mlflow ui --backend-store-uri {addresses.mask(uri)}"] if runs else []
