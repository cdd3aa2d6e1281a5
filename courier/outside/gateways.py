"""The channels for real: Zalo ZNS, an SMS gateway, a mail server, a system of the post's own. See `docs/messages.md`.

What connects them stands in the installation's `channels.json`; a channel that is not in it keeps its null twin.
"""

import base64
import hmac
import smtplib
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import orjson

from courier.domain.notices import Channel, Rules
from courier.outside import addresses, posting
from courier.outside.carriers import Carried, Carrier, Failed, Letter, NullCarrier, Then
from courier.settings import Misconfigured

_WITHIN_SECONDS: Final = 10.0
_MOST_BYTES: Final = 64 * 1024
_LONGEST_WAIT: Final = timedelta(hours=1)
_JSON: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Line:
    """Where a provider is asked. With `inside` his server may stand in the post's own network, also without TLS."""

    url: str
    inside: bool

    def post(self, body: bytes, headers: Mapping[str, str]) -> posting.Answer:
        """Send a body and hear the answer."""
        return posting.post(self.url, body, headers, within=_WITHIN_SECONDS, inside=self.inside, most_bytes=_MOST_BYTES)


def _wait(answer: posting.Answer) -> timedelta | None:
    return None if answer.retry_after is None else min(timedelta(seconds=answer.retry_after), _LONGEST_WAIT)


def _missed(answer: posting.Answer) -> Failed | None:
    """What an HTTP answer means where it is no success, None where it is one."""
    if answer.status is None:
        return Failed(answer.fault or "unreachable", Then.AGAIN)
    if answer.taken:
        return None
    again = answer.status in (408, 409, 425, 429) or answer.status >= 500
    return Failed(f"http-{answer.status}", Then.AGAIN if again else Then.NEVER, _wait(answer))


def _international(phone: str) -> str:
    """0599000001 as the providers want it: 84599000001."""
    return "84" + phone.removeprefix("0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Zns:
    """Zalo ZNS: a template that Zalo approved, filled. `tracking_id` is the message's id and comes back in receipts.

    With `hash_phone` the number goes as its SHA-256, for the `/hash_phone` address.
    """

    line: Line
    token_file: Path
    templates: Mapping[str, str]
    hash_phone: bool
    elsewhere: frozenset[int]
    again: frozenset[int]
    dry_run: bool = False

    def carry(self, letter: Letter) -> Carried | Failed:
        """Ask Zalo to send it. Its answer is 200 with an error number of its own."""
        template = self.templates.get(f"{letter.kind}.{letter.lang}") or self.templates.get(letter.kind)
        if template is None:
            return Failed("no-template", Then.ELSEWHERE)
        phone = _international(letter.phone)
        body = {
            "phone": sha256(phone.encode()).hexdigest() if self.hash_phone else phone,
            "template_id": template,
            "template_data": dict(letter.values),
            "tracking_id": str(letter.id),
        }
        # Read each time: whoever renews the token (it lasts a day) writes it there.
        headers = {**_JSON, "access_token": self.token_file.read_text().strip(), "Idempotency-Key": str(letter.id)}
        answer = self.line.post(orjson.dumps(body), headers)
        missed = _missed(answer)
        if missed is not None:
            return missed
        content = answer.json
        if not isinstance(content, dict) or not isinstance(content.get("error"), int):
            return Failed("unreadable-answer", Then.AGAIN)
        error = content["error"]
        if error == 0:
            data = content.get("data")
            return Carried(str(data["msg_id"]) if isinstance(data, dict) and "msg_id" in data else None)
        then = Then.ELSEWHERE if error in self.elsewhere else Then.AGAIN if error in self.again else Then.NEVER
        return Failed(f"zns{error}", then)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sms:
    """A brand-name SMS gateway that takes JSON. `body` is its form with `{phone}`, `{phone84}`, `{text}` and `{id}` in it.

    `id_at` and `error_at` say where in the answer its id and its error stand (`data.0.id`); an error that is in none of the
    lists is one that a person must look at.
    """

    line: Line
    headers: Mapping[str, str]
    body: Any
    id_at: str | None
    error_at: str | None
    fine: frozenset[str]
    elsewhere: frozenset[str]
    again: frozenset[str]
    dry_run: bool = False

    def carry(self, letter: Letter) -> Carried | Failed:
        """Ask the gateway to send it."""
        said = {
            "phone": letter.phone,
            "phone84": _international(letter.phone),
            "text": letter.text,
            "id": str(letter.id),
        }
        headers = {**_JSON, "Idempotency-Key": str(letter.id), **self.headers}
        answer = self.line.post(orjson.dumps(_filled(self.body, said)), headers)
        error = _at(answer.json, self.error_at) if self.error_at else None
        if error is not None and str(error) not in self.fine:
            code = f"sms-{''.join(sign for sign in str(error) if sign.isalnum() or sign in '-_')[:40]}"
            if str(error) in self.elsewhere:
                return Failed(code, Then.ELSEWHERE)
            if str(error) in self.again:
                return Failed(code, Then.AGAIN, _wait(answer))
            if answer.taken:
                return Failed(code, Then.NEVER)
        missed = _missed(answer)
        if missed is not None:
            return missed
        found = _at(answer.json, self.id_at) if self.id_at else None
        return Carried(str(found)[:100] if found is not None else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A system of the post's own, such as a call list: signed as Standard Webhooks are."""

    line: Line
    secret: bytes
    dry_run: bool = False

    def carry(self, letter: Letter) -> Carried | Failed:
        """Post it; any answer of 200 to 299 has it."""
        body = orjson.dumps(
            {
                "id": str(letter.id),
                "kind": letter.kind.value,
                "lang": letter.lang,
                "phone": letter.phone,
                "text": letter.text,
            }
        )
        moment = str(int(letter.at.timestamp()))
        signed = hmac.new(self.secret, f"{letter.id}.{moment}.".encode() + body, sha256).digest()
        headers = {
            **_JSON,
            "Idempotency-Key": str(letter.id),
            "webhook-id": str(letter.id),
            "webhook-timestamp": moment,
            "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
        }
        return _missed(self.line.post(body, headers)) or Carried()


class _MailServer(smtplib.SMTP):
    """A mail server at an address that was checked, whatever its name says meanwhile."""

    def __init__(self, host: str, port: int, address: str) -> None:
        self._address = address
        super().__init__(host, port, timeout=_WITHIN_SECONDS)

    def _get_socket(self, _host: str, port: int, timeout: float) -> socket.socket:
        return socket.create_connection((self._address, port), timeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail server. The message's id is the `Message-ID`, so that a second copy can be told from another message."""

    host: str
    port: int
    inside: bool
    sender: str
    user: str | None
    password: str | None
    starttls: bool
    dry_run: bool = False

    def carry(self, letter: Letter) -> Carried | Failed:
        """Hand it to the mail server."""
        mail = EmailMessage()
        mail["From"], mail["To"] = self.sender, letter.email or ""
        mail["Subject"] = {"vi": "Bưu điện Cà Mau: tin báo", "en": "Ca Mau Post: a message"}[letter.lang]
        mail["Message-ID"] = f"<{letter.id}@{self.sender.partition('@')[2]}>"
        mail["Date"] = letter.at
        mail.set_content(letter.text)
        try:
            target = addresses.Target(self.host, self.port, self.starttls, "/")
            found = addresses.resolve(target, inside=self.inside)
            with _MailServer(self.host, self.port, found[0]) as server:
                if self.starttls:
                    server.starttls(context=ssl.create_default_context())
                if self.user and self.password:
                    server.login(self.user, self.password)
                server.send_message(mail)
        except addresses.Refused as why:
            return Failed(why.code, Then.AGAIN)
        except smtplib.SMTPRecipientsRefused as refused:
            code = next(iter(refused.recipients.values()), (550, b""))[0]
            return Failed(f"smtp-{code}", Then.AGAIN if code < 500 else Then.ELSEWHERE)
        except smtplib.SMTPResponseException as said:
            return Failed(f"smtp-{said.smtp_code}", Then.AGAIN if said.smtp_code < 500 else Then.NEVER)
        except (OSError, smtplib.SMTPException):
            return Failed("unreachable", Then.AGAIN)
        return Carried(mail["Message-ID"])


def _filled(form: Any, said: Mapping[str, str]) -> Any:
    """The same form with its words in place."""
    if isinstance(form, dict):
        return {name: _filled(value, said) for name, value in form.items()}
    if isinstance(form, list):
        return [_filled(value, said) for value in form]
    if isinstance(form, str):
        for name, value in said.items():
            if form == f"{{{name}}}":
                return value
    return form


def _at(content: Any, path: str) -> Any:
    """What stands at a place like `data.0.id`, None where nothing does."""
    for step in path.split("."):
        if isinstance(content, dict):
            content = content.get(step)
        elif isinstance(content, list) and step.isdecimal() and int(step) < len(content):
            content = content[int(step)]
        else:
            return None
    return content


# ------------------------------------------------------------------------------------------------------- connecting
def connect(channels: Mapping[str, Any], rules: Rules) -> Mapping[Channel, Carrier]:
    """The carriers that `channels.json` connects; where it connects none, a null twin of every channel.

    Raises:
        Misconfigured: a channel's entry lacks something or makes no sense.
    """
    made: dict[Channel, Carrier] = {}
    for name, entry in channels.items():
        try:
            made[Channel(name)] = _MAKERS[Channel(name)](entry, rules)
        except (KeyError, TypeError, ValueError, AttributeError) as fault:
            raise Misconfigured(
                f"channels.json, {name!r}: {type(fault).__name__} {fault}; docs/messages.md says what a channel needs"
            ) from fault
    return made or {channel: NullCarrier(channel) for channel in Channel}


def receipt_secrets(channels: Mapping[str, Any]) -> Mapping[Channel, bytes]:
    """The keys that the channels sign their receipts with."""
    return {
        Channel(name): str(entry["receipt_secret"]).encode()
        for name, entry in channels.items()
        if entry.get("receipt_secret")
    }


def _line(entry: Mapping[str, Any]) -> Line:
    line = Line(str(entry["url"]), _inside(entry))
    try:
        addresses.read(line.url, inside=line.inside)
    except addresses.Refused as why:
        raise ValueError(f'{why}; a server of your own network needs "inside": true') from why
    return line


def _inside(entry: Mapping[str, Any]) -> bool:
    inside = entry.get("inside", False)
    if not isinstance(inside, bool):
        raise TypeError("inside is true or false")
    return inside


def _zns(entry: Mapping[str, Any], rules: Rules) -> Carrier:
    token = Path(entry["access_token_file"])
    if not token.is_file():
        raise ValueError("access_token_file is not there")
    return Zns(
        line=_line(entry),
        token_file=token,
        templates={str(kind): str(template) for kind, template in entry["templates"].items()},
        hash_phone=bool(entry.get("hash_phone", True)),
        elsewhere=rules.zns_elsewhere,
        again=rules.zns_again,
    )


def _sms(entry: Mapping[str, Any], _rules: Rules) -> Carrier:
    return Sms(
        line=_line(entry),
        headers={str(name): str(value) for name, value in entry.get("headers", {}).items()},
        body=entry["body"],
        id_at=entry.get("id_at"),
        error_at=entry.get("error_at"),
        fine=frozenset(map(str, entry.get("fine", ()))),
        elsewhere=frozenset(map(str, entry.get("elsewhere", ()))),
        again=frozenset(map(str, entry.get("again", ()))),
    )


def _webhook(entry: Mapping[str, Any], _rules: Rules) -> Carrier:
    return Webhook(
        line=_line(entry), secret=base64.b64decode(str(entry["secret"]).removeprefix("whsec_"), validate=True)
    )


def _mail(entry: Mapping[str, Any], _rules: Rules) -> Carrier:
    return Mail(
        host=str(entry["host"]),
        port=int(entry.get("port", 587)),
        inside=_inside(entry),
        sender=str(entry["from"]),
        user=entry.get("user"),
        password=entry.get("password"),
        starttls=bool(entry.get("starttls", True)),
    )


_MAKERS: Final = {Channel.ZNS: _zns, Channel.SMS: _sms, Channel.WEBHOOK: _webhook, Channel.EMAIL: _mail}
