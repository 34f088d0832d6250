"""Ownership of running trials: a table beside Optuna's, with a row for each time one is taken over.

A trial belongs to whoever inserted its newest row; the primary key lets one of several machines
win. The owner increments the row's `beats`. An owner whose beats stop is considered dead, by the
clock of the machine that watches: clocks of different machines are never compared.
"""

import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

HEARTBEAT_S = 5.0
STALE_S = 60.0  # without a heartbeat: the owner is dead
FREE = ""  # owner of a trial that was released


@dataclass(frozen=True, kw_only=True)
class Lease:
    owner: str
    generation: int
    beats: int


class Leases:
    """The leases of one sweep.

    Args:
        engine: of the database that Optuna uses.
        folder: id of this clone's folder of the sweep; only one process works in it at a time.
        process: id of this process.
        exclusive: whether no other folder uses this database.
    """

    def __init__(self, engine: sa.Engine, folder: str, process: str, *, exclusive: bool):
        self.exclusive = exclusive
        self.engine, self.folder, self.study = engine, folder, ""  # the `Study` sets its name
        self.owner = f"{folder}/{process}"
        self.table = sa.Table(
            "temper_leases",
            sa.MetaData(),
            sa.Column("study", sa.String(200), primary_key=True),
            sa.Column("number", sa.Integer, primary_key=True),
            sa.Column("generation", sa.Integer, primary_key=True),
            sa.Column("owner", sa.String(200), nullable=False),
            sa.Column("beats", sa.Integer, nullable=False),
        )
        self.table.create(engine, checkfirst=True)
        self.last_seen: dict[int, tuple[Lease | None, float]] = {}  # and since when, by trial
        self.last_heartbeat = 0.0

    def current(self) -> dict[int, Lease]:
        """Return the newest lease of each trial."""
        table = self.table
        query = sa.select(table).where(table.c.study == self.study).order_by(table.c.generation)
        with self.engine.connect() as connection:
            return {
                row.number: Lease(owner=row.owner, generation=row.generation, beats=row.beats)
                for row in connection.execute(query)
            }

    def acquire(self, number: int, before: Lease | None = None) -> bool:
        """Become the owner of a trial whose lease was `before`; False if another was faster."""
        generation = before.generation + 1 if before else 0
        row = {"study": self.study, "number": number, "generation": generation}
        try:
            with self.engine.begin() as connection:
                connection.execute(sa.insert(self.table).values(**row, owner=self.owner, beats=0))
        except IntegrityError:
            return False
        return True

    def is_dead(self, number: int, lease: Lease | None) -> bool:
        """Check whether a running trial has lost its process.

        It belongs to an earlier process of this folder, or was released, or has had no heartbeat
        for `STALE_S` since this process first looked.
        """
        if lease is None and self.exclusive:
            return True
        if lease is not None:
            if lease.owner == self.owner:
                return False
            if lease.owner == FREE or lease.owner.rpartition("/")[0] == self.folder:
                return True
        before, since = self.last_seen.get(number, (lease, time.monotonic()))
        self.last_seen[number] = (lease, since if before == lease else time.monotonic())
        return time.monotonic() - self.last_seen[number][1] > STALE_S

    def is_own(self, number: int) -> bool:
        lease = self.current().get(number)
        return lease is not None and lease.owner == self.owner

    def heartbeat(self) -> bool:
        """Record a heartbeat if one is due; return whether it was."""
        if time.monotonic() - self.last_heartbeat < HEARTBEAT_S:
            return False
        self.last_heartbeat = time.monotonic()
        self._update(beats=self.table.c.beats + 1)
        return True

    def release(self) -> None:
        """Let others take over the trials that this process has not finished."""
        self._update(owner=FREE)

    def _update(self, **values: Any) -> None:
        own = (self.table.c.study == self.study) & (self.table.c.owner == self.owner)
        with self.engine.begin() as connection:
            connection.execute(sa.update(self.table).where(own).values(**values))
