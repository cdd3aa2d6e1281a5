"""What every table is made of."""

from datetime import date, datetime
from typing import Annotated, Any, ClassVar, cast
from uuid import UUID

import sqlalchemy
from sqlalchemy import (
    REAL,
    BigInteger,
    CheckConstraint,
    Integer,
    LargeBinary,
    MetaData,
    Text,
)
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.types import Float

from courier.store.columns import Day, Flag, Id, Instant, Json

Key = Annotated[UUID, mapped_column(Id, primary_key=True)]
Amount = Annotated[int, mapped_column(BigInteger().with_variant(Integer(), "sqlite"))]
Sealed = Annotated[bytes, mapped_column(LargeBinary)]


def one_of(column: str, values: Any) -> CheckConstraint:
    """A constraint that the column holds one of a few words."""
    words = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({words})", name=column)


class Table(DeclarativeBase):
    """Base of every table: STRICT on SQLite, types that mean the same on both databases, named constraints."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        UUID: Id,
        datetime: Instant,
        date: Day,
        bool: Flag,
        str: Text,
        int: Integer,
        float: Float(53).with_variant(REAL(), "sqlite"),
        dict[str, Any]: Json,
        list[Any]: Json,
    }
    __table_args__: Any = {"sqlite_strict": True}  # noqa: RUF012 (SQLAlchemy reads it from the class)


def plain(table: type[Table]) -> sqlalchemy.Table:
    """The table itself: many new rows go into it without the detour over objects."""
    return cast("sqlalchemy.Table", table.__table__)
