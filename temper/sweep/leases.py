"""Who works on which trial: rows beside Optuna's own, one per trial and taking over.

A trial belongs to whoever inserted its newest row; the primary key lets one of several machines
win. Its owner counts the row's beats up. A row whose beats stand still is a dead machine's, by the
clock of whoever watches: no two clocks are compared.
"""

import time
from dataclasses import dataclass
from typing import Any

BEAT_S = 5.0  # between two beats
STALE_S = 60.0  # without a beat: the owner is dead
FREE = ""  # owner of a trial that was given back


@dataclass(frozen=True, kw_only=True)
class Lease:
    owner: str
    generation: int
    beats: int


class Leases:
    """The leases of one sweep.

    Args:
        engine: SQLAlchemy's, of the database that Optuna uses.
        folder: id of this clone's folder of the sweep; only one process works in it at a time.
        process: id of this process.
        alone: whether no other folder uses this database.
    """

    def __init__(self, engine: Any, folder: str, process: str, *, alone: bool):
        import sqlalchemy as sa

        self.alone = alone
        self.engine, self.folder, self.study = engine, folder, ""  # a `Study` says which it is
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
        self.seen: dict[int, tuple[Lease | None, float]] = {}
        self.last_beat = 0.0

    def current(self) -> dict[int, Lease]:
        """Return the newest lease of each trial."""
        import sqlalchemy as sa

        table = self.table
        query = sa.select(table).where(table.c.study == self.study).order_by(table.c.generation)
        with self.engine.connect() as connection:
            return {
                row.number: Lease(owner=row.owner, generation=row.generation, beats=row.beats)
                for row in connection.execute(query)
            }

    def take(self, number: int, before: Lease | None = None) -> bool:
        """Become the owner of a trial, after the lease `before`; False if another was faster."""
        import sqlalchemy as sa
        from sqlalchemy.exc import IntegrityError

        generation = before.generation + 1 if before else 0
        row = {"study": self.study, "number": number, "generation": generation}
        try:
            with self.engine.begin() as connection:
                connection.execute(sa.insert(self.table).values(**row, owner=self.owner, beats=0))
        except IntegrityError:
            return False
        return True

    def is_dead(self, number: int, lease: Lease | None) -> bool:
        """Tell whether nobody works on a trial any more that is said to run.

        It is one of an earlier process in this folder, or was given back, or its beats have stood
        still for `STALE_S` since this process first looked.
        """
        if lease is None and self.alone:
            return True
        if lease is not None:
            if lease.owner == self.owner:
                return False
            if lease.owner == FREE or lease.owner.rpartition("/")[0] == self.folder:
                return True
        before, since = self.seen.get(number, (lease, time.monotonic()))
        self.seen[number] = (lease, since if before == lease else time.monotonic())
        return time.monotonic() - self.seen[number][1] > STALE_S

    def is_mine(self, number: int) -> bool:
        lease = self.current().get(number)
        return lease is not None and lease.owner == self.owner

    def beat(self) -> bool:
        """Say that this process lives, where it is time to; return whether it was."""
        if time.monotonic() - self.last_beat < BEAT_S:
            return False
        self.last_beat = time.monotonic()
        self._update(beats=self.table.c.beats + 1)
        return True

    def give_back(self) -> None:
        """Let others take over what this process has not finished."""
        self._update(owner=FREE)

    def _update(self, **values: Any) -> None:
        import sqlalchemy as sa

        mine = (self.table.c.study == self.study) & (self.table.c.owner == self.owner)
        with self.engine.begin() as connection:
            connection.execute(sa.update(self.table).where(mine).values(**values))
