"""Register the exported model of an MLflow run, and move the aliases of its versions."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from temper import tracking
from temper.core.errors import InputError
from temper.tracking import addresses, logged_model, store

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

NOT_FOUND = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


def check_name(name: str) -> None:
    """Refuse a name that the registry does not allow, and disabled tracking.

    Raises:
        InputError: before anything is done.
    """
    if tracking.is_off():
        raise InputError("TEMPER_TRACKING is off, but the model registry is MLflow's: unset it")
    if "/" in name or ":" in name:
        raise InputError(f"export.name {name!r}: MLflow's registry does not allow / or : in a name")


@contextmanager
def explained(action: str) -> Iterator[None]:
    """Turn an error of the registry into one line, without the secrets of its address."""
    from mlflow.exceptions import MlflowException

    uri = store.tracking_uri()
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # a tracker may raise anything
        if isinstance(error, MlflowException) and not store.is_unreachable(error):
            reason = addresses.hide(f"{error!s:.300}", uri)
        else:
            reason = f"{store.error_message(error, uri)}; then rerun this command"
        raise InputError(f"{action}: {reason}") from None


def register(name: str, weights: Path, alias: str) -> str:
    """Register the exported model of these weights once, set the alias, and return the version.

    Raises:
        InputError: no run has the model, or the registry cannot be reached.
    """
    with explained("MLflow's registry"):
        client = store.connect()
        run = find_exported_run(client, tracking.model_sha256(weights))
        versions = client.search_model_versions(f"name='{name}' and run_id='{run.info.run_id}'")
        if not versions:
            if not client.search_registered_models(f"name='{name}'"):
                client.create_registered_model(name)
            model = logged_model.find(client, run)
            place = (
                model.artifact_location
                if model
                else f"{run.info.artifact_uri}/{logged_model.FILES}"
            )
            model_id = model.model_id if model else None  # None: the run of an earlier version
            made = client.create_model_version(
                name,
                place,
                run.info.run_id,
                model_id=model_id,
                description=run.data.tags.get("mlflow.note.content"),
            )
            versions = [made]
        version = str(versions[0].version)
        client.set_registered_model_alias(name, alias, version)
    return version


def find_exported_run(client: "MlflowClient", sha256: str) -> "Run":
    """Return the newest run that has the exported model of weights with this hash.

    Raises:
        InputError: there is none.
    """
    query = f"tags.model_sha256 = '{sha256}' and tags.`stage.export` = 'FINISHED'"
    experiments = [store.experiment_id(client)]
    for run in client.search_runs(experiments, query, order_by=["start_time DESC"]):
        if client.list_artifacts(run.info.run_id, logged_model.NAME):
            return run
    raise InputError(
        "no MLflow run has the exported model (was the server down?): dvc repro --force "
        "--single-item export, then rerun this command"
    )


def promote(name: str, alias: str, new_alias: str) -> str:
    """Give the version with one alias another alias too, and return the version.

    Raises:
        InputError: no version has the alias, or the registry does not allow the new one.
    """
    from mlflow.exceptions import MlflowException

    check_name(name)
    with explained("MLflow's registry"):
        client = store.connect()
        try:
            version = str(client.get_model_version_by_alias(name, alias).version)
        except MlflowException as error:
            if error.error_code not in NOT_FOUND:
                raise
            raise InputError(
                f"{name} has no version with the alias {alias}: temper best registers one"
            ) from None
    with explained(f"--promote {new_alias}"):
        client.set_registered_model_alias(name, new_alias, version)
    return version
