"""Open Optuna's storage; where machines share it, heartbeats tell whose trials have died."""

import random
import time
import warnings
from pathlib import Path

import optuna

from temper.core import disk
from temper.core.errors import InputError, first_line
from temper.tracking import addresses, database

HEARTBEAT_S, GRACE_S = 5, 60  # a trial without a heartbeat for the latter has lost its machine
MAX_ATTEMPTS = 6  # to open a database in which another machine is creating tables
DATABASE, URL_FILE = "trials.db", "storage"  # in a sweep's folder: the database, or its URL


def open_storage(url: str, *, is_shared: bool = False) -> optuna.storages.RDBStorage:
    """Open Optuna's storage, and silence Optuna's log and its warnings of experimental features.

    Raises:
        InputError: it cannot be opened, or its disk is full.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    warnings.filterwarnings("ignore", "Heartbeat of storage is supposed to be used with")
    interval_s, reason = HEARTBEAT_S if is_shared else None, ""
    for _ in range(MAX_ATTEMPTS):
        try:
            return optuna.storages.RDBStorage(
                url, heartbeat_interval=interval_s, grace_period=GRACE_S
            )
        except Exception as error:  # perhaps another machine is creating the same tables
            if (full := disk.explain(error, database.sqlite_file(url) or Path.cwd())) is not None:
                raise InputError(full) from error
            reason = addresses.hide(first_line(error), url)
            time.sleep(random.uniform(0.1, 0.5))
    raise InputError(
        f"storage {addresses.mask(url)}: {reason}; expected a SQLAlchemy URL such as "
        "postgresql+psycopg2://user@host/database (pip install psycopg2-binary)"
    )


def local_url(folder: Path) -> str:
    """Return the URL of the database in a sweep's folder."""
    return f"sqlite:///{folder / DATABASE}"
