"""Days that the province declares worked or off, over what the calendar says."""

from datetime import date

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from courier.domain.calendar import CLOSED, FULL, DayOff
from courier.store.tables import CalendarDay, Office, Plan, plain


def declared(session: Session) -> dict[date, DayOff]:
    """Every declared day."""
    return {
        row.day: DayOff(working=row.works, delivery=FULL if row.works else CLOSED, name=row.reason)
        for row in session.scalars(select(CalendarDay))
    }


def declare(session: Session, day: date, *, works: bool, reason: str) -> None:
    """Write a day, over what was declared of it before."""
    once = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    table, said = plain(CalendarDay), {"works": works, "reason": reason}
    session.execute(once(table).values(day=day, **said).on_conflict_do_update(index_elements=[table.c.day], set_=said))


def withdraw(session: Session, day: date) -> bool:
    """Forget what was declared of a day; False when nothing was."""
    gone = session.execute(delete(CalendarDay).where(CalendarDay.day == day).returning(CalendarDay.day))
    return gone.first() is not None


def planned_offices(session: Session, days: list[date]) -> dict[date, list[str]]:
    """The names of the offices whose postmen have a plan for a day, by day."""
    found: dict[date, list[str]] = {}
    rows = session.execute(
        select(Plan.day, Office.name)
        .join(Office, Office.id == Plan.office_id)
        .where(Plan.day.in_(days), Plan.state == "published")
        .order_by(Plan.day, Office.name)
    )
    for day, name in rows:
        found.setdefault(day, []).append(name)
    return found
