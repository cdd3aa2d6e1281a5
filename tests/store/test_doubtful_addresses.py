"""A doubtful address is settled by a pin, a plus code or the place of last time, once for the whole household."""

import pytest

from courier import intake
from courier.domain.errors import Invalid, Missing
from courier.domain.people import Role
from courier.store.tables import Item
from tests.intake_office import NOW, a_row, a_sheet, open_house

SPLIT = "Ấp 14, xã Khánh Thuận, huyện U Minh, Cà Mau"  # went into two communes of today
COMMUNE = "32059"


@pytest.fixture
def house(database, tmp_path):
    return open_house(database, tmp_path)


def bring(house, *rows):
    intake.import_sheet(house.desk, house.dispatcher, filename="x.xlsx", content=a_sheet(rows), at=NOW)
    return house.items()


def settle(house, item, **decision):
    return intake.resolve_address(house.desk, house.dispatcher, item.id, version=item.version, at=NOW, **decision)


def centre(house, code=COMMUNE):
    commune = house.desk.gazetteer.commune(code)
    return commune.lat, commune.lon


def test_one_decision_settles_the_household_and_nobody_else(house):
    items = bring(
        house,
        a_row(1, address=SPLIT, phone="0599000001"),
        a_row(2, address="Ấp 14, xã  KHÁNH THUẬN, huyện U Minh, Cà Mau", phone="0599000009"),  # the same text
        a_row(3, address="khánh thuận, ấp 14 - U Minh Cà Mau", phone="0599000001"),  # the same phone and house
        a_row(4, address="khánh thuận, ấp 14 - U Minh Cà Mau", phone="0599000007"),
        a_row(5, address="Ấp 15, xã Khánh Thuận, huyện U Minh, Cà Mau", phone="0599000001"),
    )
    first, *others = (items[f"BUUTA-{number:06d}"] for number in range(1, 6))
    assert {one.precision for one in (first, *others)} == {"unknown"}
    alike = {others[0].id, others[1].id}
    assert set(intake.household(house.desk, house.dispatcher, first.id)) == alike
    lat, lon = centre(house)
    settled = settle(house, first, commune_code=COMMUNE, lat=lat, lon=lon, same_address=True)
    assert (settled[0], set(settled[1:])) == (first.id, alike)
    after = house.items()
    assert [after[f"BUUTA-{number:06d}"].precision for number in range(1, 6)] == ["pin"] * 3 + ["unknown"] * 2


def test_a_plus_code_counts_as_its_cell_full_or_short(house):
    items = bring(house, a_row(1, address=SPLIT), a_row(2, address="gần cầu"))
    lat, lon = centre(house)
    # The cell of the commune's own point, worked out by hand: steps of 1/8000 degree from -90, -180.
    north, east = int((lat + 90) * 8000), int((lon + 180) * 8000)
    digits, code = "23456789CFGHJMPQRVWX", ""
    for place in range(4, -1, -1):
        code += digits[north // 20**place % 20] + digits[east // 20**place % 20]
    full = f"{code[:8]}+{code[8:]}"
    settle(house, items["BUUTA-000001"], commune_code=COMMUNE, plus_code=full)
    settle(house, items["BUUTA-000002"], commune_code=COMMUNE, plus_code=full[4:].lower())
    for item in house.items().values():
        assert item.precision == "plus_code"
        assert (item.lat, item.lon) == pytest.approx(((north + 0.5) / 8000 - 90, (east + 0.5) / 8000 - 180), abs=1e-9)


@pytest.mark.parametrize(
    ("decision", "fault"),
    [
        ({"plus_code": "nhà tôi"}, ("plus_code", "no-plus-code")),
        ({"plus_code": "8FVC2222+22"}, ("plus_code", "point-outside-commune")),
        ({"plus_code": "8FVC2222+22", "lat": 9.0, "lon": 105.0}, ("plus_code", "two-points")),
        ({"lat": 9.0}, ("lon", "missing")),
    ],
)
def test_a_point_that_cannot_be_is_refused(house, decision, fault):
    item = bring(house, a_row(1, address=SPLIT))["BUUTA-000001"]
    with pytest.raises(Invalid) as refusal:
        settle(house, item, commune_code=COMMUNE, **decision)
    assert [(error.field, error.code) for error in refusal.value.errors] == [fault]
    assert house.items()["BUUTA-000001"].precision == "unknown"


def taught(house, barcode, lat, lon, precision="doorstep"):
    """As a postman's pin at the door leaves it."""
    with house.desk.database.write() as session:
        row = session.get_one(Item, house.items()[barcode].id)
        row.lat, row.lon, row.precision = lat, lon, precision


def test_the_place_of_last_time_is_offered_by_phone_or_by_name_and_address(house):
    lat, lon = centre(house)
    bring(house, a_row(1, phone="0599000001"), a_row(2, phone="0599000002", name="Trần Thị Mẫu"))
    bring(
        house,
        a_row(3, phone=None, name="Lê Văn Thử", address="gần cây cầu"),
        a_row(4, phone=None, name="Lê Văn Khác", address="gần cây cầu"),
    )
    taught(house, "BUUTA-000001", lat, lon)
    taught(house, "BUUTA-000002", lat + 0.001, lon, "pin")
    settle(house, house.items()["BUUTA-000003"], commune_code=COMMUNE, lat=lat + 0.002, lon=lon)
    items = bring(
        house,
        a_row(11, address=SPLIT, phone="0599000001"),
        a_row(12, address=SPLIT, phone="0599000099", name="Không Quen"),
        a_row(13, phone=None, name="Lê Văn Thử", address="gần cây cầu"),
    )
    by_phone, strange, by_name = (items[f"BUUTA-0000{number}"] for number in (11, 12, 13))
    known = intake.known_places(house.desk, house.dispatcher, [by_phone.id, strange.id, by_name.id])
    assert [(one.lat, one.taught, one.by_phone) for one in known[by_phone.id]] == [(lat, True, True)]
    assert known[strange.id] == []
    assert [(one.lat, one.taught, one.by_phone) for one in known[by_name.id]] == [(lat + 0.002, False, False)]

    settle(house, by_phone, same_as=known[by_phone.id][0].item_id)
    after = house.items()["BUUTA-000011"]
    assert (after.lat, after.lon, after.precision, after.commune_code) == (lat, lon, "handover", COMMUNE)


def test_the_place_of_somebody_else_is_not_taken(house):
    lat, lon = centre(house)
    items = bring(house, a_row(1, phone="0599000001"), a_row(2, phone="0599000002", address=SPLIT))
    taught(house, "BUUTA-000001", lat, lon)
    with pytest.raises(Invalid) as refusal:
        settle(house, items["BUUTA-000002"], same_as=items["BUUTA-000001"].id)
    assert [error.code for error in refusal.value.errors] == ["no-such-place"]
    stranger = house.caller(Role.DISPATCHER, office="DAM-DOI")
    for look in (
        lambda: intake.known_places(house.desk, stranger, [items["BUUTA-000002"].id]),
        lambda: intake.household(house.desk, stranger, items["BUUTA-000002"].id),
    ):
        with pytest.raises(Missing):
            look()
