"""Where a store is: a SQLite file in a folder, or a PostgreSQL database asked as one duty's role.

Everything else in `store` takes a `Place`, opens sessions at it, and knows no driver. A place also has the folder with
the anchor: the checkpoint that is kept outside the database, whichever database it is.

`Duty` says on whose behalf PostgreSQL is asked. Each has a role that may do its own work and nothing else
(`grants.py`), so that a fault in one process cannot become a change that only another may make. SQLite has no roles:
there whoever reads the file may write it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy
from sqlalchemy import Engine, NullPool, create_engine, event
from sqlalchemy.exc import DBAPIError

from gateway import postgresql
from gateway.database import Session
from gateway.errors import IntegrityError
from gateway.services import PostgreSQL, Services
from gateway.sqlite import DRIVER, SETTINGS, File, translated
from gateway.store import grants, steps

DATABASE = "gateway.db"
ANCHOR = "gateway.checkpoint"


class Duty(StrEnum):
    """On whose behalf the store is opened."""

    OWNER = "owner"
    """Makes and changes the schema. Not used while serving."""
    FRONT = "front"
    RELAY = "relay"
    INTEGRATOR = "integrator"
    DISPATCHER = "dispatcher"
    REVIEWER = "reviewer"
    """People who answer what waits for them."""
    RELEASER = "releaser"
    """Carries out what they answered."""
    OPERATOR = "operator"
    AUDITOR = "auditor"
    ARCHIVIST = "archivist"
    """Opens what is sealed, for evidence, registerutdrag and replay."""
    OVERSEER = "overseer"
    """Reads who has read the log."""
    GALLRING = "gallring"
    """Destroys what is to be destroyed."""


_PEOPLE = frozenset({Duty.OPERATOR, Duty.AUDITOR, Duty.ARCHIVIST, Duty.OVERSEER})
"""Those on whose behalf people ask: in any order, for as long as it takes."""


class Place(Protocol):
    """One store."""

    @property
    def anchor(self) -> Path:
        """Where the checkpoint outside the database is."""
        ...

    def acting(self, duty: Duty) -> Place:
        """Return the same store, opened on behalf of another duty."""
        ...

    def there(self) -> bool:
        """Tell whether a store, or half of one, is there. Raises UnavailableError."""
        ...

    def open(self) -> Session:
        """Open a connection of one's own. Raises IntegrityError where no store can be, UnavailableError."""
        ...

    def engine(self) -> Engine:
        """Return what reads, and cannot write, by SQLAlchemy."""
        ...

    def revision(self, session: Session) -> str | None:
        """Return which schema is there; None for none."""
        ...

    def upgrade(self, revision: str = "head") -> None:
        """Bring the schema to a revision by the steps in `migrations/`, and the roles' permissions with it."""
        ...


def placed(services: Services, folder: Path, duty: Duty) -> Place:
    """Return where an installation's store is.

    Args:
        services: `Configuration.services`.
        folder: `[store] path`.
        duty: On whose behalf.
    """
    if services.postgresql is None:
        return SqlitePlace(folder)
    return PostgresPlace(settings=services.postgresql, duty=duty, folder=folder)


@dataclass(frozen=True, slots=True)
class SqlitePlace:
    """`gateway.db` in a folder."""

    folder: Path

    @property
    def anchor(self) -> Path:
        """Beside the file."""
        return self.folder / ANCHOR

    @property
    def database(self) -> Path:
        """The file."""
        return self.folder / DATABASE

    def acting(self, duty: Duty) -> SqlitePlace:
        """Return itself: a file knows no roles."""
        del duty
        return self

    def there(self) -> bool:
        """Tell whether file or anchor is there."""
        return self.database.exists() or self.anchor.exists()

    def open(self) -> File:
        """Open the file. Raises IntegrityError if it is not there."""
        return File(self.database)

    def engine(self) -> Engine:
        """Return what reads the file. Raises IntegrityError if it is not there."""
        if not self.database.is_file():
            raise IntegrityError(f"{DATABASE} is not there; `gateway init` makes a new store")
        made = create_engine(f"sqlite:///{self.database}", module=DRIVER, poolclass=NullPool)
        event.listen(made, "connect", _read_only)
        return made

    def revision(self, session: Session) -> str | None:
        """Return which schema the file has."""
        tables = session.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'")
        return _revision(session) if tables.fetchone() else None

    def upgrade(self, revision: str = "head") -> None:
        """Bring the file to a schema. Raises IntegrityError if it is not there."""
        if not self.database.is_file():
            raise IntegrityError(f"{DATABASE} is not there; `gateway init` makes a new store")
        upgrade_file(self.database, revision)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresPlace:
    """A database on PostgreSQL, asked as one role."""

    settings: PostgreSQL
    duty: Duty
    folder: Path
    """Where the anchor is: on a disk that the database's backup does not bring back."""
    width: int = steps.WIDTH
    """Of partitions; counts only when the store is made."""

    @property
    def anchor(self) -> Path:
        """Beside the gateway, not the database."""
        return self.folder / ANCHOR

    def acting(self, duty: Duty) -> PostgresPlace:
        """Return the same database, asked as another role."""
        return replace(self, duty=duty)

    def there(self) -> bool:
        """Tell whether a schema or the anchor is there. Raises UnavailableError."""
        if self.anchor.exists():
            return True
        session = self.open()
        try:
            with session.translated():
                return self.revision(session) is not None
        finally:
            session.close()

    def open(self) -> postgresql.Connection:
        """Return a connection; it is made at the first use, and again after it was lost."""
        return postgresql.Connection(self._target(self.duty))

    def engine(self) -> Engine:
        """Return what reads; each question has a connection of its own."""
        target = self._target(self.duty)
        return create_engine(
            "postgresql+psycopg://", creator=lambda: postgresql.connected(target, read_only=True), poolclass=NullPool
        )

    def revision(self, session: Session) -> str | None:
        """Return which schema the database has."""
        known = session.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
        return _revision(session) if known[0] else None

    def upgrade(self, revision: str = "head") -> None:
        """Bring the database to a schema, in one transaction with the permissions. Acts as the owner."""
        with self.changing() as connection:
            self.make(connection, revision)

    def make(self, connection: sqlalchemy.Connection, revision: str = "head") -> None:
        """Run the steps in the owner's transaction; at the last one everybody is given his permissions."""
        steps.run(connection, revision, width=self.width)
        if revision == "head":
            grants.grant(connection, self.settings.roles)

    @contextmanager
    def changing(self) -> Iterator[sqlalchemy.Connection]:
        """Hold a transaction of the owner's. Raises UnavailableError."""
        target = self._target(Duty.OWNER)
        made = create_engine("postgresql+psycopg://", creator=lambda: postgresql.connected(target), poolclass=NullPool)
        with postgresql.translated():
            try:
                with made.begin() as connection:
                    yield connection
            except DBAPIError as error:
                raise (error.orig or error) from error
            finally:
                made.dispose()

    def _target(self, duty: Duty) -> postgresql.Target:
        settings, people = self.settings, duty in _PEOPLE
        return postgresql.Target(
            dsn=settings.dsn,
            user=getattr(settings.roles, duty.value),
            passfile=settings.passfile,
            name=f"gateway {duty.value}",
            connect_timeout=settings.connect_timeout,
            lock_timeout=settings.lock_timeout,
            # Whoever verifies the log or replays decisions, and the owner who moves one in may take their time.
            statement_timeout=None if people or duty is Duty.OWNER else settings.statement_timeout,
            idle_timeout=settings.idle_timeout,
            question_timeout=settings.statement_timeout,
            search_path=grants.AUDITOR if duty is Duty.AUDITOR else None,
            by_key=not people,
            alone=people,
        )


def upgrade_file(path: Path, revision: str = "head") -> None:
    """Bring a SQLite file to a schema. Raises UnavailableError."""
    made = create_engine(f"sqlite:///{path}", module=DRIVER)
    event.listen(made, "connect", _settings)
    with translated():
        try:
            with made.begin() as connection:
                steps.run(connection, revision)
        except DBAPIError as error:
            raise (error.orig or error) from error
        finally:
            made.dispose()


def _revision(session: Session) -> str | None:
    row = session.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else None


def _read_only(connection: Any, _record: object) -> None:  # noqa: ANN401  # the driver has no types
    connection.execute("PRAGMA query_only=ON")


def _settings(connection: Any, _record: object) -> None:  # noqa: ANN401  # as above
    for setting in SETTINGS:
        connection.execute(setting)
