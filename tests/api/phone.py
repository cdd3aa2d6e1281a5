"""A phone as its programs speak to the server: enrolled, sealing what it sends."""

from typing import Any
from uuid import UUID

import orjson
from uuid_utils.compat import uuid7

from courier.store import envelopes
from courier.store.envelopes import from_text
from tests.api.conftest import Person
from tests.builders import House, Phone


class EnrolledPhone:
    """A postman's phone, enrolled over the API; `post`, `get` speak for its session."""

    def __init__(self, person: Person, house: House, *, device_id: UUID | None = None, name: str = "Máy thử") -> None:
        self.person, self.house = person, house
        self.outbox = Phone(house, person.caller, id=device_id or uuid7())
        self.id = self.outbox.id
        self.enrolled = person.post("/api/v1/devices", json={"device_id": str(self.id), "name": name})
        self.key = from_text(self.enrolled.json["sealing_key"]["public"]) if self.enrolled.status_code == 201 else b""

    def event(self, kind: str, items: Any, minutes: float = 0, **data: Any) -> dict[str, Any]:
        return self.outbox.event(kind, items, minutes, **data)

    def sealed(self, event: dict[str, Any], *, label: str | None = None) -> dict[str, Any]:
        """What the outbox keeps of an event."""
        label = label or envelopes.event_label(self.id, event["device_seq"], event["event_id"])
        envelope = envelopes.seal(orjson.dumps(event), self.key, bound_to=label)
        return {
            "event_id": event["event_id"],
            "device_seq": event["device_seq"],
            "sealed": envelope.to_json(),
        }

    def send(self, *events: dict[str, Any], device_id: UUID | None = None) -> Any:
        return self.person.post("/api/v1/sync", json={"device_id": str(device_id or self.id), "events": list(events)})
