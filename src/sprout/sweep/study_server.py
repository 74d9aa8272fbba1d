"""Studies in PostgreSQL: the connection that holds them for one supervisor, and Optuna's storage there.

libpq reads the address, so that PGPASSWORD, ~/.pgpass, service files and TLS settings work as in psql.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from hashlib import sha256
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy import event

from sprout.runtime.errors import UserError, one_line
from sprout.tracking.address import without_secrets

EXTRA = "pip install 'sprout[postgres]'"
DRIVER = "postgresql+psycopg://"
"""What SQLAlchemy is told; the connections are made here, so that it knows no password."""
KEEPALIVE: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
"""Seconds, and packets without an answer, until this machine takes a connection as lost; an address may set others."""
SESSION = """
    SELECT set_config(name, value, false)
    FROM (VALUES ('tcp_keepalives_idle', '30'), ('tcp_keepalives_interval', '10'), ('tcp_keepalives_count', '3'),
          ('tcp_user_timeout', '60000'), ('idle_session_timeout', '0')) AS wanted (name, value)
    JOIN pg_settings USING (name)
"""
"""The same for the server, which frees the lock of a machine without power after a minute, and ends no idle holder."""
HOLDER = """
    SELECT application_name, backend_start::timestamp(0)::text
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND (classid::bigint << 32 | objid::bigint) = %s
      AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
SOON = "2s"
"""How long a supervisor waits for the lock of one that has just ended: the server needs a moment to notice it."""
TABLES = "tables"
"""The lock of the creation of Optuna's tables."""


class StudyServer:
    """A database with Optuna's tables, and the connection whose advisory lock holds the studies of one name."""

    def __init__(self, uri: str) -> None:
        """Connect.

        Args:
            uri: postgresql://USER@HOST/DATABASE.

        Raises:
            UserError: psycopg is not installed, or the server cannot be reached.
        """
        try:
            import psycopg
        except ImportError as error:
            raise UserError(f"sweep.storage={without_secrets(uri)}: needs {error.name or 'psycopg'}: {EXTRA}") from None
        self.psycopg, self.uri = psycopg, uri
        try:
            self.connection = self.connect(autocommit=True)
            self.connection.execute(SESSION)
        except psycopg.Error as error:
            reason = one_line(error)[:300]
            raise UserError(
                f"{self}: no connection: {reason}; start the server, or correct the address; the password is "
                "PGPASSWORD's, or that of ~/.pgpass (docs/sweeps.md)"
            ) from None

    def __str__(self) -> str:
        return f"sweep.storage={without_secrets(self.uri)}"

    def connect(self, *, autocommit: bool = False) -> Any:
        """Return a new connection; with autocommit, each statement is a transaction."""
        given: dict[str, Any] = self.psycopg.conninfo.conninfo_to_dict(self.uri)
        who: dict[str, Any] = {"application_name": f"process {os.getpid()} on {socket.gethostname()}"[:63]}
        return self.psycopg.connect(**(KEEPALIVE | who | given), autocommit=autocommit)

    def try_hold(self, name: str) -> str | None:
        """Try to hold the studies of a name for as long as this process lives; return who holds them otherwise."""
        key = self.lock_of(name)
        try:
            with self.connection.transaction():
                self.row("SELECT set_config('lock_timeout', %s, true)", SOON)
                self.row("SELECT pg_advisory_lock(%s)", key)  # outlives the transaction
            return None
        except self.psycopg.errors.LockNotAvailable:
            who, since = self.connection.execute(HOLDER, [key]).fetchone() or (None, None)
            return f"{who}, since {since}" if who else "another process"

    def lock_of(self, name: str) -> int:
        """Return the number of a lock, of 64 bits; equal names in different schemas are different locks."""
        (schema,) = self.row("SELECT current_schema()")
        digest = sha256(f"sprout sweep {schema} {name}".encode()).digest()
        return int.from_bytes(digest[:8], signed=True)

    def row(self, query: str, *values: Any) -> Any:
        """Return the first row that a query gives on the connection that holds the studies."""
        return self.connection.execute(query, values).fetchone()

    @cached_property
    def storage(self) -> RDBStorage:
        """Optuna's storage, each of whose transactions first checks that the studies are held still.

        Raises:
            UserError: the tables are those of another version of Optuna.
            DatabaseError: they cannot be read, or created.
        """
        with self.locked(TABLES):  # two first sweeps would both create them
            try:
                storage = RDBStorage(DRIVER, {"creator": self.connect})
            except RuntimeError as error:
                raise UserError(f"{self}: {one_line(error)}") from None
        event.listen(storage.engine, "begin", lambda _: self.check_held())
        return storage

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold a lock while the block runs, waiting for it."""
        key = self.lock_of(name)
        self.row("SELECT pg_advisory_lock(%s)", key)
        try:
            yield
        finally:
            self.row("SELECT pg_advisory_unlock(%s)", key)

    def check_held(self) -> None:
        """Check that the connection lives, and with it the lock.

        Raises:
            StorageInternalError: it does not; another supervisor may hold the studies now.
        """
        try:
            self.row("SELECT 1")
        except self.psycopg.Error as error:
            raise StorageInternalError(
                f"the connection that holds the study is lost: {one_line(error)[:200]}"
            ) from None

    def close(self) -> None:
        """End all connections, and free the studies."""
        if "storage" in vars(self):
            self.storage.engine.dispose()
        self.connection.close()
