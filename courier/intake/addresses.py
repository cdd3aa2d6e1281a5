"""A person, or an earlier handover, says where an item is to be brought."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Final
from uuid import UUID

from courier.desk import Desk
from courier.domain.calendar import local_day
from courier.domain.errors import FieldError, Forbidden, Invalid, Refused
from courier.domain.item import FINAL, State
from courier.domain.people import Caller, Role
from courier.domain.plus_code import locate
from courier.gazetteer import Gazetteer
from courier.store import places as books
from courier.store.intake import Place
from courier.store.places import KnownPlace

_MAY_SETTLE: Final = frozenset({Role.DISPATCHER, Role.CLERK, Role.ADMIN})


def resolve_address(
    desk: Desk,
    caller: Caller,
    item_id: UUID,
    *,
    commune_code: str | None = None,
    hamlet: str | None = None,
    lat: float | None = None,
    lon: float | None = None,
    plus_code: str | None = None,
    same_as: UUID | None = None,
    version: int,
    at: datetime,
    same_address: bool = False,
) -> tuple[UUID, ...]:
    """A person says where an item is to be brought; with `same_address` also the other doubtful ones of the household.

    A point, or a plus code (a short one is read near the commune's own point), must lie within the commune's box and counts as
    that precisely; without one the commune's own point stands in. `same_as` is an item of `known_places`: its place is taken, and
    nothing else is asked. The item stays with its office, where the paper lies. Returns the ids of all items settled, the
    asked one first.

    Raises:
        Forbidden: the role settles no addresses.
        Missing: no such item in the caller's office.
        Stale: the item has changed since `version`.
        Refused: `already-final`.
        Invalid: no such commune today, half a point, a point outside the commune, no plus code, no such earlier place.
    """
    _require_settler(caller)
    day = local_day(at)
    place = None
    if same_as is None:
        place = _settled(desk.gazetteer, commune_code or "", hamlet, lat, lon, day, plus_code=plus_code)
    with desk.database.write() as session:
        item = books.item_of(session, caller, item_id, version=version)
        if State(item.state) in FINAL:
            raise Refused("already-final", "Bưu gửi này đã kết thúc, không đổi địa chỉ được nữa.")
        if place is None:
            known = books.known_places(session, [item])[item.id]
            earlier = next((one for one in known if one.item_id == same_as), None)
            if earlier is None:
                raise Invalid(FieldError("same_as", "no-such-place", "Không còn nơi đã phát này; mời chọn lại"))
            precision = "handover" if earlier.taught else "pin"
            place = replace(
                _settled(desk.gazetteer, earlier.commune_code, earlier.hamlet, earlier.lat, earlier.lon, day),
                precision=precision,
            )
        rows = [item, *(books.doubtful_like(session, item) if same_address else ())]
        books.settle_places(session, [(row, place) for row in rows], caller=caller, at=at)
        return tuple(row.id for row in rows)


def known_places(desk: Desk, caller: Caller, item_ids: Collection[UUID]) -> dict[UUID, list[KnownPlace]]:
    """Where earlier items of the same recipients were handed over or pinned, the surest first, for each item of the caller's office.

    Raises:
        Forbidden: the role settles no addresses.
        Missing: one of the items does not exist or is another office's.
    """
    _require_settler(caller)
    with desk.database.read() as session:
        return books.known_places(session, books.items_seen(session, caller, item_ids))


def household(desk: Desk, caller: Caller, item_id: UUID) -> tuple[UUID, ...]:
    """The other doubtful items that a decision about this one also settles.

    Raises:
        Forbidden, Missing: as `known_places`.
    """
    _require_settler(caller)
    with desk.database.read() as session:
        (item,) = books.items_seen(session, caller, [item_id])
        return tuple(row.id for row in books.doubtful_like(session, item, locked=False))


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
    gazetteer: Gazetteer,
    code: str,
    hamlet: str | None,
    lat: float | None,
    lon: float | None,
    day: date,
    *,
    plus_code: str | None = None,
) -> Place:
    try:
        commune = gazetteer.commune(code)
    except KeyError:
        raise Invalid(FieldError("commune_code", "unknown-commune", f"Không có xã, phường mang mã «{code}»")) from None
    if commune.valid_from > day or (commune.valid_to is not None and commune.valid_to < day):
        raise Invalid(FieldError("commune_code", "unknown-commune", f"{commune.full_name} không còn hoặc chưa có"))
    precision = "pin"
    if plus_code:
        if lat is not None or lon is not None:
            raise Invalid(FieldError("plus_code", "two-points", "Chỉ ghi mã cộng hoặc tọa độ, không ghi cả hai"))
        try:
            lat, lon = locate(plus_code, near=(commune.lat, commune.lon))
        except ValueError:
            sentence = f"«{plus_code}» không phải mã cộng (plus code), ví dụ 5GP2+3X"
            raise Invalid(FieldError("plus_code", "no-plus-code", sentence)) from None
        precision = "plus_code"
    if lat is None and lon is None:
        return Place(commune_code=code, hamlet=hamlet, lat=commune.lat, lon=commune.lon, precision="commune")
    if lat is None or lon is None:
        raise Invalid(FieldError("lat" if lat is None else "lon", "missing", "Điểm phải có cả vĩ độ và kinh độ"))
    if not gazetteer.contains(code, lat, lon):
        sentence = f"Điểm {lat:.5f}, {lon:.5f} không nằm trong {commune.full_name}"
        raise Invalid(FieldError("plus_code" if plus_code else "lat", "point-outside-commune", sentence))
    return Place(commune_code=code, hamlet=hamlet, lat=lat, lon=lon, precision=precision)
