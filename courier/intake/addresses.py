"""A person, or an earlier handover, says where an item is to be brought."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Final
from uuid import UUID

from courier.desk import Desk
from courier.domain.calendar import local_day
from courier.domain.errors import FieldError, Forbidden, Invalid, Refused
from courier.domain.item import FINAL, State
from courier.domain.people import Caller, Role
from courier.gazetteer import Gazetteer
from courier.store import intake as books
from courier.store.intake import Place

_MAY_SETTLE: Final = frozenset({Role.DISPATCHER, Role.CLERK, Role.ADMIN})


def resolve_address(
    desk: Desk,
    caller: Caller,
    item_id: UUID,
    *,
    commune_code: str,
    hamlet: str | None = None,
    lat: float | None = None,
    lon: float | None = None,
    version: int,
    at: datetime,
    same_address: bool = False,
) -> tuple[UUID, ...]:
    """A person says where an item is to be brought; with `same_address` also the other doubtful ones with the same words.

    A point must lie within the commune's box and counts as a pin; without one the commune's own point stands in. The item
    stays with its office, where the paper lies. Returns the ids of all items settled, the asked one first.

    Raises:
        Forbidden: the role settles no addresses.
        Missing: no such item in the caller's office.
        Stale: the item has changed since `version`.
        Refused: `already-final`.
        Invalid: no such commune today, half a point, or a point outside the commune.
    """
    _require_settler(caller)
    place = _settled(desk.gazetteer, commune_code, hamlet, lat, lon, local_day(at))
    with desk.database.write() as session:
        item = books.item_of(session, caller, item_id, version=version)
        if State(item.state) in FINAL:
            raise Refused("already-final", "Bưu gửi này đã kết thúc, không đổi địa chỉ được nữa.")
        rows = [item, *(books.doubtful_like(session, item) if same_address else ())]
        books.settle_places(session, [(row, place) for row in rows], caller=caller, at=at)
        return tuple(row.id for row in rows)


def remember_doors(
    desk: Desk, caller: Caller, doors: Mapping[UUID, tuple[float, float]], *, at: datetime
) -> tuple[UUID, ...]:
    """Put items at the doors where earlier ones were handed over (precision `handover`); `doors` = (lat, lon) by item.

    Only items whose commune is decided, and only points within it. Returns the ids.

    Raises:
        Forbidden: the role settles no addresses.
        Missing: one of the items does not exist or is another office's.
        Refused: `address-doubtful` for an item that must be asked about first.
        Invalid: a point outside the item's commune.
    """
    _require_settler(caller)
    with desk.database.write() as session:
        rows = books.items_in(session, caller, doors)
        places = []
        for row in rows:
            if row.commune_code is None:
                raise Refused("address-doubtful", f"Bưu gửi {row.barcode} chưa rõ xã, phải hỏi trước.")
            lat, lon = doors[row.id]
            place = _settled(desk.gazetteer, row.commune_code, row.hamlet, lat, lon, local_day(at))
            places.append((row, replace(place, precision="handover")))
        books.settle_places(session, places, caller=caller, at=at, act="door remembered")
        return tuple(row.id for row in rows)


def _require_settler(caller: Caller) -> None:
    if caller.role not in _MAY_SETTLE:
        raise Forbidden(f"the role {caller.role} does not carry this right")


def _settled(
    gazetteer: Gazetteer, code: str, hamlet: str | None, lat: float | None, lon: float | None, day: date
) -> Place:
    try:
        commune = gazetteer.commune(code)
    except KeyError:
        raise Invalid(FieldError("commune_code", "unknown-commune", f"Không có xã, phường mang mã «{code}»")) from None
    if commune.valid_from > day or (commune.valid_to is not None and commune.valid_to < day):
        raise Invalid(FieldError("commune_code", "unknown-commune", f"{commune.full_name} không còn hoặc chưa có"))
    if lat is None and lon is None:
        return Place(commune_code=code, hamlet=hamlet, lat=commune.lat, lon=commune.lon, precision="commune")
    if lat is None or lon is None:
        raise Invalid(FieldError("lat" if lat is None else "lon", "missing", "Điểm phải có cả vĩ độ và kinh độ"))
    if not gazetteer.contains(code, lat, lon):
        sentence = f"Điểm {lat:.5f}, {lon:.5f} không nằm trong {commune.full_name}"
        raise Invalid(FieldError("lat", "point-outside-commune", sentence))
    return Place(commune_code=code, hamlet=hamlet, lat=lat, lon=lon, precision="pin")
