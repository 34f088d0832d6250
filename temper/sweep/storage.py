"""A URL → Optuna's storage, also while another machine makes its tables."""

import random
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from temper.core.errors import InputError

TRIES = 10  # of opening a database that another machine is just making tables in
OWN, SHARED = "trials.db", "storage"  # in a sweep's folder: the database, or the URL of one


@contextmanager
def quietly() -> Iterator[None]:
    """Use Optuna without its remarks."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def open_storage(url: str) -> Any:
    """Return Optuna's storage at a URL.

    Raises:
        InputError: it cannot be opened.
    """
    import optuna
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    error: Exception | None = None
    for _ in range(TRIES):
        try:
            return optuna.storages.RDBStorage(url)
        except (ArgumentError, ImportError) as found:
            error = found
            break
        except SQLAlchemyError as found:  # or another machine makes the same tables
            error = found
            time.sleep(random.uniform(0.1, 0.5))
    reason = str(error).splitlines()[0]
    raise InputError(
        f"storage {hidden(url)}: {reason}; expected a SQLAlchemy URL such as "
        "postgresql+psycopg2://user@host/database (pip install psycopg2-binary)"
    )


def own(folder: Path) -> str:
    """Return the URL of the database in a sweep's folder."""
    return f"sqlite:///{folder / OWN}"


def hidden(url: str) -> str:
    """Return a URL without its password."""
    import sqlalchemy as sa
    from sqlalchemy.exc import ArgumentError

    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url
