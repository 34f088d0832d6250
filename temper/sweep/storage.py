"""Open Optuna's storage, also while another machine creates its tables."""

import random
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from temper.core import disk
from temper.core.errors import InputError
from temper.tracking import addresses, database

MAX_ATTEMPTS = 10  # to open a database in which another machine is creating tables
DATABASE, URL_FILE = "trials.db", "storage"  # in a sweep's folder: the database, or its URL


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Silence Optuna's log and its warnings about experimental features."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def open_storage(url: str) -> optuna.storages.RDBStorage:
    """Open Optuna's storage at a URL.

    Raises:
        InputError: it cannot be opened, or its disk is full.
    """
    error: Exception | None = None
    for _ in range(MAX_ATTEMPTS):
        try:
            return optuna.storages.RDBStorage(url)
        except (ArgumentError, ImportError) as raised:
            error = raised
            break
        except SQLAlchemyError as raised:  # perhaps another machine is creating the same tables
            if (full := disk.explain(raised, database.sqlite_file(url) or Path.cwd())) is not None:
                raise InputError(full) from raised
            error = raised
            time.sleep(random.uniform(0.1, 0.5))
    reason = addresses.hide(str(error).splitlines()[0], url)
    raise InputError(
        f"storage {addresses.mask(url)}: {reason}; expected a SQLAlchemy URL such as "
        "postgresql+psycopg2://user@host/database (pip install psycopg2-binary)"
    )


def local_url(folder: Path) -> str:
    """Return the URL of the database in a sweep's folder."""
    return f"sqlite:///{folder / DATABASE}"
