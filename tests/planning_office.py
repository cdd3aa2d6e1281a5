"""An office with people, vehicles and doors to plan for, on top of `builders`: items get points, postmen get hours."""

import random
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select

from courier import dispatch, handover
from courier.desk import Desk
from courier.domain.item import Direction
from courier.domain.people import Role
from courier.gazetteer import Gazetteer
from courier.store.jobs import Jobs
from courier.store.session import Database
from courier.store.tables import Item, Plan, Postman, Route, Stop, StopItem, UnplannedItem, Vehicle
from tests.builders import DATA, DAY, MORNING, House, Phone, a_house, an_item, the_facts
from tests.intake_office import settings_for

GAZETTEER = Gazetteer.load(DATA / "gazetteer")
OFFICE = (9.4, 104.97)  # as in builders


def desk_on(database: Database, folder: Path) -> Desk:
    """A full desk: settings, gazetteer, jobs."""
    return Desk(
        database=database,
        settings=settings_for(database, folder),
        facts=the_facts(),
        gazetteer=GAZETTEER,
        jobs=Jobs(database),
    )


def open_office(database: Database, folder: Path, *, postmen: int = 3, code: str = "UM") -> House:
    """A house with a full desk, whose jobs can be asked for and do not run."""
    house = a_house(database, postmen=postmen, code=code)
    house.desk = desk_on(database, folder)
    house.desk.jobs.migrate()
    return house


def place(house: House, *, km_north: float = 1.0, km_east: float = 0.0, **fields: Any) -> UUID:
    """An item with a door so far from the office; every one has a phone of its own unless told."""
    item_keys = {"direction", "charges", "received", "at", "document_type"}
    wanted = {key: fields.pop(key) for key in list(fields) if key in item_keys}
    with house.database.write() as session:
        item_id = an_item(session, house, **wanted)
        row = session.get_one(Item, item_id)
        row.lat = OFFICE[0] + km_north / 111.0
        row.lon = OFFICE[1] + km_east / 109.6
        row.precision = "pin"
        row.recipient_phone = f"05990{item_id.int % 100_000:05d}"
        for name, value in fields.items():
            setattr(row, name, value)
    return item_id


def scatter(house: House, count: int, *, seed: int = 1, km: float = 6.0, **fields: Any) -> list[UUID]:
    """So many items around the office."""
    rng = random.Random(seed)
    return [place(house, km_north=rng.uniform(-km, km), km_east=rng.uniform(-km, km), **fields) for _ in range(count)]


def adjust(house: House, postman: int, **fields: Any) -> None:
    """Change how a postman works."""
    with house.database.write() as session:
        row = session.get_one(Postman, house.postmen[postman].id)
        for name, value in fields.items():
            setattr(row, name, value)


def a_boat(house: House, postman: int) -> None:
    """Give a postman a boat."""
    with house.database.write() as session:
        boat = Vehicle(
            id=UUID(int=house.postmen[postman].id.int ^ 1), office_id=house.office_id, name="Vỏ lãi", mode="boat"
        )
        session.add(boat)
        session.flush()
        session.get_one(Postman, house.postmen[postman].id).vehicle_id = boat.id


def planned(house: House, *, at: datetime = MORNING, day=DAY, seconds: float = 1.0, seed: int = 0):
    """Ask for a plan and solve it here and now; the plan as it is shown."""
    plan_id = dispatch.request_plan(
        house.desk, house.dispatcher, office_id=None, day=day, at=at, seconds=seconds, seed=seed
    )
    dispatch.solve_plan(house.desk, plan_id, at=at)
    return dispatch.get_plan(house.desk, house.dispatcher, plan_id)


def published(house: House, *, at: datetime = MORNING, day=DAY, seconds: float = 1.0):
    """Ask, solve, publish."""
    view = planned(house, at=at, day=day, seconds=seconds)
    assert view.state == "solved", view.error
    return dispatch.publish(house.desk, house.dispatcher, view.id, version=view.version, at=at)


def on_routes(view) -> dict[UUID, UUID]:
    """Which postman has which item; fails when one is there twice."""
    found: dict[UUID, UUID] = {}
    for route in view.routes:
        for stop in route.stops:
            for item in stop.items:
                assert item not in found, f"{item} is on two stops"
                found[item] = route.postman
    return found


def left_out(house: House, view) -> dict[UUID, str]:
    """Codes of what the plan leaves out."""
    return {row.item_id: row.code for row in dispatch.unplanned(house.desk, house.dispatcher, view.id)}


def stored(house: House, plan_id: UUID) -> tuple[int, int, int, int]:
    """How many routes, stops, items on stops and reasons the database holds of a plan."""
    with house.database.read() as session:
        routes = session.scalars(select(Route.id).where(Route.plan_id == plan_id)).all()
        stops = session.scalars(select(Stop.id).where(Stop.route_id.in_(routes))).all()
        items = session.scalars(select(StopItem.item_id).where(StopItem.stop_id.in_(stops))).all()
        reasons = session.scalars(select(UnplannedItem.item_id).where(UnplannedItem.plan_id == plan_id)).all()
    return len(routes), len(stops), len(items), len(reasons)


def state_of(house: House, plan_id: UUID) -> str:
    with house.database.read() as session:
        return session.get_one(Plan, plan_id).state


def taken(house: House, item: UUID, slot_id: str, *, at: datetime = MORNING) -> dispatch.Slot:
    """The window that an item is given, with nothing recorded for it: the place stays kept for a minute."""
    return dispatch.take_slot(house.desk, item, slot_id, at=at, grant=lambda _session, slot: slot)


def take_out(house: House, postman_id: UUID, items: list[UUID], *, at: datetime, phone: Phone | None = None) -> Phone:
    """The postman scans items into his bag."""
    bearer = next(p for p in house.postmen if p.id == postman_id)
    phone = phone or Phone(house, bearer)
    answer = phone.send(phone.event("taken_out", items, at=at), at=at)
    assert answer.results == ["applied"], answer.answers
    return phone


__all__ = ["DAY", "MORNING", "Direction", "Role", "handover"]
