"""What stages could not send to MLflow → the stores it is for.

`temper sync`
"""

import os
from pathlib import Path
from typing import Any

from temper.core.errors import InputError

HIDDEN = ":***@"


def sync() -> None:
    """Send to MLflow what stages could not: each number once; a second time sends nothing.

    Everything goes to the server it was meant for, or to MLFLOW_TRACKING_URI where that is set.
    """
    if not Path("dvc.yaml").exists():
        raise InputError("there is no dvc.yaml here; run it at the root of the repository")
    stores, num_left, num_busy = left()
    failed = [problem for recorded, uri in stores.items() for problem in send(recorded, uri)]
    if num_busy:
        print(f"{num_busy} stages are still running and send what is theirs themselves")
    if failed:
        raise InputError(f"not all is sent, the rest is kept in tracking/: {'; '.join(failed)}")
    if not num_left:
        print("nothing is left to send")


def left() -> tuple[dict[str | None, str], int, int]:
    """Return where journals go, by what they say of it (None: all), and how many wait or are busy.

    Raises:
        InputError: an address had a password, which no journal keeps.
    """
    from temper.tracking import journal, store, uploader

    found: dict[str | None, str] = {}
    num_left = 0
    for one in journal.left_behind():
        num_left += 1
        opened = uploader.RunWriter(one).head()
        recorded = opened.get("uri", "") if opened else ""
        found[recorded] = recorded or store.default_uri()
    num_busy = len(list(journal.folder().glob("*.jsonl"))) - num_left
    if os.environ.get("MLFLOW_TRACKING_URI"):
        found = {None: store.chosen_uri()} if found else {}
    for uri in found.values():
        if HIDDEN in uri:
            raise InputError(f"the password of {uri} is not kept; set MLFLOW_TRACKING_URI")
    return found, num_left, num_busy


def send(recorded: str | None, uri: str) -> list[str]:
    """Send the journals of one store, print a line for each; return what went wrong."""
    from temper.tracking import store, uploader

    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    failed, runs = [], {}
    try:
        client = store.connect(uri)
        for sent, error in uploader.deliver_left_behind(client, recorded):
            name, tags = sent.journal.path, sent.tags
            if error is not None:
                failed.append(f"{name}: {store.reason(error, uri)}")
            elif sent.run is not None:
                runs[sent.run_id] = sent.run
                numbers, files = sent.counts["numbers"], sent.counts["files"]
                print(
                    f"{tags['mlflow.runName']}: {sent.stage}, {numbers:,} numbers, {files} files",
                    flush=True,
                )
    except Exception as error:  # of any tracker
        hint = "start it, or set MLFLOW_TRACKING_URI to another, and run temper sync again"
        failed.append(f"{store.reason(error, uri)}; {hint}")
    for line in ways_in(uri, runs):
        print(line)
    return failed


def ways_in(uri: str, runs: dict[str, Any]) -> list[str]:
    """Return what to open or type to see the runs."""
    from temper.tracking import store

    if uri.startswith("http"):
        page = store.masked(uri).rstrip("/")
        return [f"{page}/#/experiments/{r.info.experiment_id}/runs/{i}" for i, r in runs.items()]
    return [f"mlflow ui --backend-store-uri {store.masked(uri)}"] if runs else []
