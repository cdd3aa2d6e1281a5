"""Column types that mean the same on SQLite (STRICT tables) and on PostgreSQL."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Boolean, Date, DateTime, Dialect, Integer, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _on_sqlite(dialect: Dialect) -> bool:
    return dialect.name == "sqlite"


class Id(TypeDecorator[UUID]):
    """A UUID: native on PostgreSQL, its 36-character text on SQLite."""

    impl = Uuid
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """TEXT in a STRICT table, UUID elsewhere."""
        return dialect.type_descriptor(Text() if _on_sqlite(dialect) else Uuid())

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> Any:
        """To the database."""
        return str(value) if value is not None and _on_sqlite(dialect) else value

    def process_result_value(self, value: Any, dialect: Dialect) -> UUID | None:
        """From the database."""
        return UUID(value) if value is not None and _on_sqlite(dialect) else value


class PlainId(TypeDecorator[Any]):
    """The same column, read as the database gives it (a text on SQLite): for rows that become JSON at once."""

    impl = Uuid
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """TEXT in a STRICT table, UUID elsewhere."""
        return dialect.type_descriptor(Text() if _on_sqlite(dialect) else Uuid())


class Instant(TypeDecorator[datetime]):
    """An aware moment: TIMESTAMPTZ on PostgreSQL, whole microseconds since 1970 UTC on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """INTEGER in a STRICT table."""
        return dialect.type_descriptor(Integer() if _on_sqlite(dialect) else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """To the database; a naive moment is a bug of ours."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a moment without a zone: {value!r}")
        return (value - _EPOCH) // timedelta(microseconds=1) if _on_sqlite(dialect) else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """From the database, in UTC."""
        if value is None:
            return None
        return _EPOCH + timedelta(microseconds=value) if _on_sqlite(dialect) else value.astimezone(UTC)


class Day(TypeDecorator[date]):
    """A calendar day in Asia/Ho_Chi_Minh: DATE on PostgreSQL, `YYYY-MM-DD` text on SQLite."""

    impl = Date
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """TEXT in a STRICT table."""
        return dialect.type_descriptor(Text() if _on_sqlite(dialect) else Date())

    def process_bind_param(self, value: date | None, dialect: Dialect) -> Any:
        """To the database."""
        return value.isoformat() if value is not None and _on_sqlite(dialect) else value

    def process_result_value(self, value: Any, dialect: Dialect) -> date | None:
        """From the database."""
        return date.fromisoformat(value) if value is not None and _on_sqlite(dialect) else value


class Flag(TypeDecorator[bool]):
    """Yes or no: BOOLEAN on PostgreSQL, 0 or 1 on SQLite."""

    impl = Boolean(create_constraint=False)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """INTEGER in a STRICT table."""
        return dialect.type_descriptor(Integer() if _on_sqlite(dialect) else Boolean(create_constraint=False))

    def process_bind_param(self, value: bool | None, dialect: Dialect) -> Any:  # noqa: FBT001 (SQLAlchemy's signature)
        """To the database."""
        return int(value) if value is not None and _on_sqlite(dialect) else value

    def process_result_value(self, value: Any, dialect: Dialect) -> bool | None:
        """From the database."""
        return bool(value) if value is not None and _on_sqlite(dialect) else value


class Json(TypeDecorator[Any]):
    """A JSON value: JSONB on PostgreSQL, text on SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """TEXT in a STRICT table."""
        return dialect.type_descriptor(Text() if _on_sqlite(dialect) else JSONB())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """To the database."""
        return orjson.dumps(value).decode() if value is not None and _on_sqlite(dialect) else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """From the database."""
        return orjson.loads(value) if value is not None and _on_sqlite(dialect) else value
