"""A trained model's MLflow run → a version in the model registry, and its aliases."""

from pathlib import Path
from typing import Any

from temper import tracking
from temper.core.errors import InputError
from temper.tracking import store

MODEL = "model"  # folder of the run's artefacts
ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


def check_name(name: str) -> None:
    """Refuse a name the registry does not take, and a tracker that is off.

    Raises:
        InputError: before anything is done.
    """
    if tracking.is_off():
        raise InputError("TEMPER_TRACKING is off, and the registry is MLflow's: unset it")
    if "/" in name or ":" in name:
        raise InputError(f"export.name {name!r}: MLflow's registry takes no / and no : in a name")


def register(name: str, weights: Path, alias: str) -> str:
    """Register the exported model of these weights, once; give it the alias; return its version.

    Raises:
        InputError: no run has the model, or the registry cannot be reached.
    """
    from mlflow.exceptions import MlflowException

    client = store.connect()
    try:
        run = exported_run(client, tracking.model_sha256(weights))
        found = client.search_model_versions(f"name='{name}' and run_id='{run.info.run_id}'")
        if not found:
            if not client.search_registered_models(f"name='{name}'"):
                client.create_registered_model(name)
            source = f"{run.info.artifact_uri}/{MODEL}"
            found = [client.create_model_version(name, source, run.info.run_id)]
        version = str(found[0].version)
        client.set_registered_model_alias(name, alias, version)
    except MlflowException as error:
        raise InputError(f"MLflow's registry: {error!s:.300}") from None
    return version


def exported_run(client: Any, sha256: str) -> Any:
    """Return the newest run that has the exported model of weights.

    Raises:
        InputError: there is none.
    """
    query = f"tags.model_sha256 = '{sha256}' and tags.`stage.export` = 'FINISHED'"
    experiments = [store.experiment_id(client)]
    for run in client.search_runs(experiments, query, order_by=["start_time DESC"]):
        if client.list_artifacts(run.info.run_id, MODEL):
            return run
    raise InputError(
        "no MLflow run has the exported model (was the server down?): dvc repro --force "
        "--single-item export, then the same command again"
    )


def promote(name: str, alias: str, wanted: str) -> str:
    """Give the version that has an alias another one; return the version.

    Raises:
        InputError: no version has the alias, or the registry takes no such name.
    """
    from mlflow.exceptions import MlflowException

    check_name(name)
    client = store.connect()
    try:
        version = client.get_model_version_by_alias(name, alias).version
    except MlflowException as error:
        if error.error_code in ABSENT:
            raise InputError(f"{name} has no {alias}: temper best registers one") from None
        raise InputError(f"MLflow's registry: {error!s:.300}") from None
    try:
        client.set_registered_model_alias(name, wanted, version)
    except MlflowException as error:
        raise InputError(f"--promote {wanted}: {error!s:.300}") from None
    return str(version)
