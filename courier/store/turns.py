"""One process at a time, on the database's word: what only one runner may do among many machines."""

import logging
import zlib
from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from courier.store.session import Database

_CLASS: Final = 0x7475726E  # "turn"

_log = logging.getLogger(__name__)


class Turn:
    """A lock by name that dies with the process that holds it. On SQLite the runner of the jobs is alone already."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._key = {"class": _CLASS, "name": zlib.crc32(name.encode()) - 2**31}
        self._connection: Connection | None = None

    def mine(self) -> bool:
        """True while the turn is ours; takes it when it is free. Asked before every round, because a lost connection loses it.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database is away; whatever was ours is not any more.
        """
        if self._database.is_sqlite:
            return True
        if self._connection is not None:
            try:
                self._connection.execute(text("SELECT 1"))
            except SQLAlchemyError:
                self.leave()
                raise
            return True
        connection = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.detach()  # closing it ends the session and its lock, instead of giving it back to the pool
        taken = connection.execute(text("SELECT pg_try_advisory_lock(:class, :name)"), self._key).scalar_one()
        if not taken:
            connection.close()
            return False
        self._connection = connection
        return True

    def leave(self) -> None:
        """Give the turn back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except SQLAlchemyError:
                _log.exception("a connection that held a turn was lost")
