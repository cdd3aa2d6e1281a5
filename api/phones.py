"""The postmen's phones: enrolling and revoking them, and the bag that a phone works from all day."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import orjson
from flask import Response, current_app, request
from marshmallow import ValidationError, fields, validate

from api import auth
from api.auth import caller, roles, signed_in
from api.conventions import (
    Blueprint,
    Id,
    Instant,
    LocalDay,
    Name,
    Problem,
    Strict,
    Whole,
    Word,
    compressed,
    desk,
    may_send,
    now,
)
from api.postman import MOST_EVENTS, RouteQuery, SyncAnswersSchema, known_version, told
from courier import handover, phones
from courier.domain.calendar import local_day
from courier.domain.errors import FieldError, Invalid, Missing, Refused
from courier.domain.people import Caller
from courier.phones import media
from courier.store.devices import Phone
from courier.store.envelopes import Unopenable, from_text, to_text

blueprint = Blueprint("phones", __name__, url_prefix="/api/v1", description="Postmen's phones")
blueprint.after_request(compressed)

# A phone is signed in for as long as its session holds on the server; the cookie must not end before.
COOKIE_DAYS: Final = 30
# A day without a signal, with a photo at every door.
MOST_RESCUED: Final = 5000
MOST_RESCUE_BYTES: Final = 128 * 1024 * 1024


# --------------------------------------------------------------------------------------------------------- shapes
class EnrolSchema(Strict):
    """The phone's own id, and what its bearer calls it."""

    device_id = Id(required=True)
    name = Name(required=True, at_most=60)


class KeySchema(Strict):
    """A public key of the server on P-256; `kid` names it."""

    kid = fields.String(required=True)
    public = fields.String(required=True, metadata={"description": "base64url of the uncompressed point, 65 bytes"})


class OfficeOfPhoneSchema(Strict):
    """Where the bearer belongs."""

    id = Id(required=True)
    code = fields.String(required=True)
    name = fields.String(required=True)


class BearerSchema(Strict):
    """Who bears the phone."""

    id = Id(required=True)
    name = fields.String(required=True)


class BearerAtOfficeSchema(BearerSchema):
    """Who bears the phone, and where he belongs."""

    office = fields.Nested(OfficeOfPhoneSchema, required=True)


class EnrolledSchema(Strict):
    """What the phone must know from now on."""

    device_id = Id(required=True)
    number = Whole(required=True)
    staff = fields.Nested(BearerAtOfficeSchema, required=True)
    sealing_key = fields.Nested(KeySchema, required=True)
    signing_key = fields.Nested(KeySchema, required=True)
    expires_at = Instant(required=True)


class GapSchema(Strict):
    """Numbers that never came although later ones did, missed for more than a day."""

    first = Whole(required=True, maximum=2**53)
    last = Whole(required=True, maximum=2**53)
    since = Instant(required=True)


class PhoneSchema(Strict):
    """A phone as the dispatcher sees it."""

    device_id = Id(required=True)
    number = Whole(required=True)
    name = fields.String(required=True)
    staff = fields.Nested(BearerSchema, required=True)
    enrolled_at = Instant(required=True)
    last_seen_at = Instant(required=True)
    ack_through = Whole(required=True, maximum=2**53)
    gaps = fields.List(fields.Nested(GapSchema), required=True)
    revoked_at = Instant(required=True, allow_none=True)


class PhonesSchema(Strict):
    """The phones of an office."""

    data = fields.List(fields.Nested(PhoneSchema), required=True)


class BagSchema(Strict):
    """The whole day."""

    version = Whole(required=True)
    date = LocalDay(required=True)
    server_time = Instant(required=True)
    office = fields.Dict(required=True)
    postman = fields.Dict(required=True)
    device = fields.Dict(required=True, allow_none=True)
    cash = fields.Dict(required=True)
    document_types = fields.Dict(required=True)
    rules = fields.Dict(required=True)
    reasons = fields.List(fields.Dict(), required=True)
    next_days = fields.List(LocalDay(), required=True)
    accounts = fields.Dict(required=True)
    line = fields.List(fields.List(fields.Float()), required=True)
    stops = fields.List(fields.Dict(), required=True)
    extra = fields.List(fields.Dict(), required=True)
    done = fields.Dict(required=True)


# ---------------------------------------------------------------------------------------------------------- views
@blueprint.route("/devices", methods=["POST"])
@roles("postman")
@blueprint.arguments(EnrolSchema)
@blueprint.alt_response(201, schema=EnrolledSchema, description="the phone is enrolled")
def enrol(body: Mapping[str, Any]) -> Response:
    """Bind this session to a phone.

    The phone gets a number, which its receipts carry, and the keys to seal to and to check its bag with. A phone that
    changes hands is enrolled again by its new bearer; one that was revoked is not (403 `device-revoked`).
    """
    found = signed_in()
    try:
        made = phones.enrol(desk(), found, body["device_id"], name=body["name"], at=now())
    except Refused as fault:
        raise Problem(403, fault.code, fault.sentence) from fault
    office = made.office
    shown = {
        "device_id": made.device_id,
        "number": made.number,
        "staff": {
            "id": found.caller.id,
            "name": found.caller.name,
            "office": {"id": office.id, "code": office.code, "name": office.name},
        },
        "sealing_key": {"kid": made.sealing_key.kid, "public": to_text(made.sealing_key.public)},
        "signing_key": {"kid": made.signing_key.kid, "public": to_text(made.signing_key.public)},
        "expires_at": found.expires_at,
    }
    answer = Response(current_app.json.dumps(EnrolledSchema().dump(shown)), 201, mimetype="application/json")
    auth.remember(answer, auth.token_in_use(), days=COOKIE_DAYS)
    return answer


@blueprint.route("/devices")
@roles("dispatcher", "admin")
@blueprint.response(200, PhonesSchema)
def list_phones() -> Any:
    """List the enrolled phones of the office, with what is missed of each for more than a day."""
    return {"data": [_shown(phone) for phone in phones.list_phones(desk(), caller(), at=now())]}


def _shown(phone: Phone) -> dict[str, Any]:
    row = phone.row
    return {
        "device_id": row.id,
        "number": row.number,
        "name": row.name,
        "staff": {"id": phone.bearer.id, "name": phone.bearer.name},
        "enrolled_at": row.enrolled_at,
        "last_seen_at": row.last_seen_at,
        "ack_through": row.ack_through,
        "gaps": phone.gaps,
        "revoked_at": row.revoked_at,
    }


@blueprint.route("/devices/<uuid:device_id>", methods=["DELETE"])
@roles("dispatcher", "admin")
@blueprint.response(204)
def revoke(device_id: UUID) -> Any:
    """Revoke a phone: it is given nothing more, and what it still sends is set aside."""
    phones.revoke(desk(), caller(), device_id, at=now())
    return Response(status=204)


@blueprint.route("/sync/bag")
@roles("postman")
@blueprint.arguments(RouteQuery, location="query")
@blueprint.alt_response(200, schema=BagSchema, description="the day; X-Bag-Signature signs its bytes")
@blueprint.alt_response(304, description="the phone has this version")
def bag(query: Mapping[str, Any]) -> Response:
    """Give the postman's whole day in one answer, to work from without a signal.

    `X-Bag-Signature` is `<kid>:<base64url r||s>`, ECDSA P-256 with SHA-256 over the bytes of the body before compression.
    """
    day = query["date"] or local_day(now())
    found = phones.bag(desk(), caller(), day=day, device_id=signed_in().device_id, known=known_version(day), at=now())
    headers = {"ETag": f'"{day.isoformat()}-{found.version}"', "Cache-Control": "private, no-store"}
    if found.body is None:
        return Response(status=304, headers=headers)
    headers["X-Bag-Signature"] = found.signature
    return Response(found.body, mimetype="application/json", headers=headers)


# ---------------------------------------------------------------------------------------------------------- media
class UploadHeaders(Strict):
    """Where the part begins, and how long the whole is."""

    offset = Whole(required=True, data_key="Upload-Offset", maximum=media.MOST_BYTES)
    length = Whole(required=True, data_key="Upload-Length", minimum=1, maximum=media.MOST_BYTES)


_PART: Final = {
    "required": True,
    "description": f"the next bytes of the sealed envelope, at most {media.MOST_PIECE}",
    "content": {"application/offset+octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}


@blueprint.route("/media/<string:digest>", methods=["HEAD"])
@roles("postman", from_revoked_phone=True)
@blueprint.alt_response(200, description="how far the upload has come, in Upload-Offset and Upload-Complete")
def upload_state(digest: str) -> Response:
    """Tell how far an upload has come; 404 before its first part."""
    found = media.progress(desk(), caller(), digest, at=now())
    return Response(
        status=200,
        headers={
            "Upload-Offset": str(found.offset),
            "Upload-Length": str(found.length),
            "Upload-Complete": "?1" if found.complete else "?0",
        },
    )


@blueprint.route("/media/<string:digest>", methods=["PATCH"])
@roles("postman", from_revoked_phone=True)
@blueprint.doc(requestBody=_PART)
@blueprint.arguments(UploadHeaders, location="headers")
@blueprint.alt_response(204, description="taken; Upload-Offset says where the next part begins")
def upload(headers: Mapping[str, Any], digest: str) -> Response:
    """Take the next part of a photo or a signature, sealed; the digest in the path is that of the picture itself.

    `HEAD` of the same path tells in Upload-Offset, Upload-Length and Upload-Complete (?0, ?1) how far an upload has come, 404
    before its first part. A part that begins elsewhere is answered with 409 and the right Upload-Offset. The last part is
    checked: an envelope that cannot be opened, another picture or none at all is refused with 422, and the upload begins anew.
    """
    if request.mimetype != "application/offset+octet-stream":
        raise Problem(415, "unsupported-media-type", "Send application/offset+octet-stream.")
    piece = request.get_data()
    offset, length = headers["offset"], headers["length"]
    if len(piece) > media.MOST_PIECE:
        raise Problem(413, "too-large", f"A part has at most {media.MOST_PIECE} bytes, found {len(piece)}.")
    if offset + len(piece) > length:
        raise Problem(422, "too-long", f"The upload has {length} bytes, this part ends at {offset + len(piece)}.")
    try:
        found = media.add(desk(), caller(), digest, offset=offset, length=length, piece=piece, at=now())
    except media.WrongOffset as fault:
        raise Problem(409, "wrong-offset", f"{fault}.", headers={"Upload-Offset": str(fault.right)}) from fault
    except media.TooMany as fault:
        raise Problem(
            429, "too-many-uploads", "Too many uploads are unfinished.", headers={"Retry-After": "60"}
        ) from fault
    except Refused as fault:
        raise Problem(422, fault.code, fault.sentence) from fault
    return Response(status=204, headers={"Upload-Offset": str(found.offset)})


@blueprint.route("/media/<string:digest>")
@roles("dispatcher", "cashier")
@blueprint.alt_response(200, description="the picture", content_type="image/*")
def picture(digest: str) -> Response:
    """Give a picture that an act of the office names. Every look is written down."""
    found = media.show(desk(), caller(), digest, at=now())
    answer = Response(found.body, mimetype=found.media_type)
    ending = found.media_type.rpartition("/")[2]
    answer.headers["Content-Disposition"] = f'attachment; filename="{digest[:12]}.{ending}"'
    return answer


# --------------------------------------------------------------------------------------------------------- rescue
class RescuedMediumSchema(Strict):
    """A photo or a signature in its sealed envelope."""

    sha256 = fields.String(required=True)
    envelope = fields.String(required=True, metadata={"description": "base64url of the binary envelope"})


class RescueSchema(Strict):
    """A rescue file, as a phone writes it."""

    takes_any_text = True  # as for POST /sync
    format = Word(("buuta-rescue",), required=True)
    v = Whole(required=True, minimum=1, maximum=1)
    device_id = Id(required=True)
    staff_id = Id(required=True)
    number = Whole(load_default=None, allow_none=True)
    made_at = Instant(required=True)
    events = fields.List(
        fields.Raw(metadata={"type": "object"}), required=True, validate=validate.Length(max=MOST_RESCUED)
    )
    media = fields.List(fields.Nested(RescuedMediumSchema), required=True, validate=validate.Length(max=MOST_RESCUED))


class RescuedAnswerSchema(Strict):
    """What became of a medium."""

    sha256 = fields.String(required=True)
    result = Word(("stored", "refused"), required=True)
    code = fields.String()


class RescuedSchema(SyncAnswersSchema):
    """What became of a rescue file: as for POST /sync, and of every medium."""

    media = fields.List(fields.Nested(RescuedAnswerSchema), required=True)


@blueprint.route("/sync/rescue", methods=["POST"])
@roles("postman", "dispatcher", from_revoked_phone=True)
@may_send(MOST_RESCUE_BYTES)
@blueprint.arguments(RescueSchema)
@blueprint.response(200, RescuedSchema)
def rescue(body: Mapping[str, Any]) -> Any:
    """Take in a rescue file, once or twice: what a phone could not send any more, in the name of the postman who wrote it."""
    return take_rescue_file(body)


def read_rescue_file(content: bytes) -> Mapping[str, Any]:
    """The file that somebody chose on a page.

    Raises:
        Invalid: it is no rescue file.
    """
    try:
        read: Mapping[str, Any] = RescueSchema().load(orjson.loads(content))
    except (orjson.JSONDecodeError, ValidationError) as fault:
        raise Invalid(FieldError("file", "invalid", "Không phải tệp cứu dữ liệu của điện thoại.")) from fault
    return read


def take_rescue_file(body: Mapping[str, Any]) -> dict[str, Any]:
    """The same for the dispatcher's page."""
    device_id = body["device_id"]
    sender = phones.sender_of(desk(), caller(), staff_id=body["staff_id"], device_id=device_id, at=now())
    events, results, through = body["events"], [], 0
    for start in range(0, max(1, len(events)), MOST_EVENTS):
        answers, through = handover.sync(
            desk(),
            sender.caller,
            device_id=device_id,
            events=events[start : start + MOST_EVENTS],
            at=now(),
            bound_to=sender.bound_to,
        )
        results += told(answers)
    kept = [_take_medium(sender.caller, medium) for medium in body["media"]]
    return {"results": results, "ack_through": through, "server_time": now(), "media": kept}


def _take_medium(sender: Caller, medium: Mapping[str, str]) -> dict[str, str]:
    digest = medium["sha256"]
    try:
        media.take_whole(desk(), sender, digest, from_text(medium["envelope"]), at=now())
    except Unopenable:
        return {"sha256": digest, "result": "refused", "code": "unreadable-seal"}
    except Missing:
        return {"sha256": digest, "result": "refused", "code": "wrong-digest"}
    except Refused as fault:
        return {"sha256": digest, "result": "refused", "code": fault.code}
    return {"sha256": digest, "result": "stored"}
