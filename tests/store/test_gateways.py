"""The channels for real, against servers of this machine: what they send, and what every kind of answer means."""

import base64
import contextlib
import hashlib
import hmac
import json
import socket
import socketserver
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from courier.domain.notices import Channel, Kind
from courier.outside import gateways, posting
from courier.outside.carriers import Carried, Failed, Letter, Then
from courier.outside.gateways import connect, receipt_secrets
from courier.settings import Misconfigured, load_channels
from tests.builders import MORNING, number, the_facts

RULES = the_facts().notices
LETTER = Letter(
    id=number(5),
    at=MORNING,
    kind=Kind.MISSED,
    lang="vi",
    phone="0599000001",
    email="dan@example.vn",
    text="Buu dien Ca Mau: moi Ong/Ba.",
    values={"link": "https://x.example/t/abc"},
)


@contextmanager
def a_server(status=200, body=b"{}", headers=()):
    """A server that gives one answer, and what it was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            content = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, dict(self.headers), content))
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()


def zns(url, tmp_path, **changed):
    token = tmp_path / "token"
    token.write_text("the-token\n")
    entry = {
        "url": f"{url}/message/template",
        "inside": True,
        "access_token_file": str(token),
        "templates": {"missed": "123456"},
    }
    return connect({"zns": entry | changed}, RULES)[Channel.ZNS]


def sms(url, **changed):
    entry = {
        "url": f"{url}/send?x=1",
        "inside": True,
        "headers": {"Authorization": "Bearer k"},
        "body": {"to": "{phone84}", "brand": "BUUDIENCM", "text": "{text}", "ref": "{id}", "parts": [1, "{phone}"]},
        "id_at": "data.0.id",
        "error_at": "error.code",
        "fine": ["0"],
        "elsewhere": ["3"],
        "again": ["99"],
    }
    return connect({"sms": entry | changed}, RULES)[Channel.SMS]


def test_zalo_is_given_a_template_a_hashed_number_and_our_key(tmp_path):
    with a_server(body=b'{"error": 0, "data": {"msg_id": "z-1"}}') as (url, asked):
        assert zns(url, tmp_path).carry(LETTER) == Carried("z-1")
    ((path, headers, body),) = asked
    assert path == "/message/template"
    assert headers["access_token"] == "the-token"
    assert json.loads(body) == {
        "phone": hashlib.sha256(b"84599000001").hexdigest(),
        "template_id": "123456",
        "template_data": {"link": "https://x.example/t/abc"},
        "tracking_id": str(LETTER.id),
    }


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"error": -118}', Failed("zns-118", Then.ELSEWHERE)),
        (b'{"error": -32}', Failed("zns-32", Then.AGAIN)),
        (b'{"error": -124}', Failed("zns-124", Then.NEVER)),
        (b"<html>", Failed("unreadable-answer", Then.AGAIN)),
        (b"[]", Failed("unreadable-answer", Then.AGAIN)),
    ],
)
def test_what_zalo_answers_says_what_follows(tmp_path, body, found):
    with a_server(body=body) as (url, _):
        assert zns(url, tmp_path).carry(LETTER) == found


def test_a_kind_without_an_approved_template_goes_elsewhere_without_a_call(tmp_path):
    with a_server() as (url, asked):
        assert zns(url, tmp_path, templates={}).carry(LETTER) == Failed("no-template", Then.ELSEWHERE)
    assert asked == []


def test_a_gateway_is_given_its_own_form_with_our_key():
    with a_server(body=b'{"data": [{"id": 77}]}') as (url, asked):
        assert sms(url).carry(LETTER) == Carried("77")
    ((path, headers, body),) = asked
    assert (path, headers["Authorization"], headers["Idempotency-Key"]) == ("/send?x=1", "Bearer k", str(LETTER.id))
    assert json.loads(body) == {
        "to": "84599000001",
        "brand": "BUUDIENCM",
        "text": LETTER.text,
        "ref": str(LETTER.id),
        "parts": [1, "0599000001"],
    }


@pytest.mark.parametrize(
    ("status", "body", "headers", "found"),
    [
        (200, b'{"error": {"code": 3}}', (), Failed("sms-3", Then.ELSEWHERE)),
        (400, b'{"error": {"code": 3}}', (), Failed("sms-3", Then.ELSEWHERE)),
        (200, b'{"error": {"code": 99}}', (), Failed("sms-99", Then.AGAIN)),
        (200, b'{"error": {"code": 12}}', (), Failed("sms-12", Then.NEVER)),
        (429, b"{}", (("Retry-After", "90"),), Failed("http-429", Then.AGAIN, timedelta(seconds=90))),
        (503, b"{}", (("Retry-After", "999999"),), Failed("http-503", Then.AGAIN, timedelta(hours=1))),
        (500, b"", (("Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT"),), Failed("http-500", Then.AGAIN)),
        (401, b"{}", (), Failed("http-401", Then.NEVER)),
        (302, b"", (("Location", "http://127.0.0.1:1/"),), Failed("http-302", Then.NEVER)),
    ],
)
def test_what_a_gateway_answers_says_what_follows(status, body, headers, found):
    with a_server(status, body, headers) as (url, asked):
        assert sms(url).carry(LETTER) == found
    assert len(asked) == 1


def test_a_system_of_the_posts_own_can_check_who_speaks():
    secret = base64.b64encode(b"0" * 24).decode()
    with a_server(204) as (url, asked):
        entry = {"url": url, "inside": True, "secret": f"whsec_{secret}"}
        carrier = connect({"webhook": entry}, RULES)[Channel.WEBHOOK]
        assert carrier.carry(LETTER) == Carried()
    ((_, headers, body),) = asked
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.new(b"0" * 24, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{wanted}"
    assert headers["webhook-id"] == str(LETTER.id)


# ------------------------------------------------------------------------------------------------- a line that fails
def test_nobody_there_is_asked_again_later():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert sms(f"http://127.0.0.1:{port}").carry(LETTER) == Failed("unreachable", Then.AGAIN)


def test_an_answer_that_trickles_is_cut_off_in_time():
    over = threading.Event()

    class Slow(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(65536)
            self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            with contextlib.suppress(OSError):
                while not over.wait(0.05):
                    self.request.sendall(b" ")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        began = time.monotonic()
        answer = posting.post(
            f"http://127.0.0.1:{server.server_address[1]}/", b"{}", {}, within=0.4, loopback=True, most_bytes=999
        )
        assert answer == posting.Answer(None, fault="timeout")
        assert time.monotonic() - began < 5
        over.set()
        server.shutdown()


def test_a_line_cut_before_the_answer_is_asked_again():
    class Cutter(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(65536)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Cutter) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        answer = sms(f"http://127.0.0.1:{server.server_address[1]}").carry(LETTER)
        server.shutdown()
    assert answer.then is Then.AGAIN


@pytest.mark.parametrize(
    ("url", "inside", "leads_to", "fault"),
    [
        ("https://sms.example/send", False, "10.0.0.7", "private-address"),
        ("https://sms.example/send", False, "127.0.0.1", "private-address"),
        ("https://sms.example/send", True, "169.254.169.254", "private-address"),
        ("https://sms.example/send", True, "fd00:ec2::254", "private-address"),
        ("http://sms.example/send", True, "8.8.8.8", "https-only"),
    ],
)
def test_a_channel_whose_name_leads_elsewhere_is_not_called(monkeypatch, url, inside, leads_to, fault):
    """Into the house only where the file says so, to a cloud's metadata never, and never out of it without TLS."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (leads_to, 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    called = []
    monkeypatch.setattr(socket, "create_connection", lambda *to, **_: called.append(to))
    channel = connect({"sms": {"url": url, "inside": inside, "body": {}}}, RULES)[Channel.SMS]
    assert channel.carry(LETTER) == Failed(fault, Then.AGAIN)
    entry = {"host": "sms.example", "from": "tin@post.example", "starttls": url.startswith("https"), "inside": inside}
    assert connect({"email": entry}, RULES)[Channel.EMAIL].carry(LETTER) == Failed(fault, Then.AGAIN)
    assert called == []


# ---------------------------------------------------------------------------------------------------------- e-mail
class MailServer(socketserver.StreamRequestHandler):
    """As much of SMTP as a client needs."""

    recipient_answer = b"250 ok\r\n"
    received: list[str]

    def handle(self):
        say, taking = self.wfile.write, False
        say(b"220 here\r\n")
        text: list[bytes] = []
        for line in self.rfile:
            if taking:
                if line == b".\r\n":
                    type(self).received.append(b"".join(text).decode())
                    taking = False
                    say(b"250 taken\r\n")
                else:
                    text.append(line)
                continue
            verb = line.split()[0].upper()
            if verb == b"DATA":
                taking = True
                say(b"354 go on\r\n")
            elif verb == b"RCPT":
                say(type(self).recipient_answer)
            elif verb == b"QUIT":
                say(b"221 bye\r\n")
                return
            else:
                say(b"250 ok\r\n")


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (b"250 ok\r\n", None),
        (b"550 no such box\r\n", Failed("smtp-550", Then.ELSEWHERE)),
        (b"451 later\r\n", Failed("smtp-451", Then.AGAIN)),
    ],
)
def test_mail_goes_with_our_key_as_its_message_id(answer, found):
    handler = type("Handler", (MailServer,), {"recipient_answer": answer, "received": []})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        entry = {
            "host": "127.0.0.1",
            "port": server.server_address[1],
            "from": "tin@post.example",
            "starttls": False,
            "inside": True,
        }
        result = connect({"email": entry}, RULES)[Channel.EMAIL].carry(LETTER)
        server.shutdown()
    if found is not None:
        assert result == found
        assert handler.received == []
    else:
        assert result == Carried(f"<{LETTER.id}@post.example>")
        assert f"Message-ID: <{LETTER.id}@post.example>" in handler.received[0]
        assert "To: dan@example.vn" in handler.received[0]


# ------------------------------------------------------------------------------------------------------- connecting
def test_without_a_file_every_channel_has_its_null_twin(tmp_path):
    assert load_channels(tmp_path / "channels.json") == {}
    carriers = connect({}, RULES)
    assert set(carriers) == set(Channel)
    for carrier in carriers.values():
        assert carrier.dry_run
        assert carrier.carry(LETTER) == Carried(f"dry-run-{LETTER.id}")


def test_where_one_is_connected_nothing_else_pretends(tmp_path):
    assert set(connect({"webhook": {"url": "https://x.example", "secret": ""}}, RULES)) == {Channel.WEBHOOK}


@pytest.mark.parametrize(
    "channels",
    [
        {"sms": {}},
        {"sms": {"url": "ftp://x", "body": {}}},
        {"sms": {"url": "http://sms.example/send", "body": {}}},
        {"sms": {"url": "https://10.0.0.7/send", "body": {}}},
        {"sms": {"url": "https://169.254.169.254/", "inside": True, "body": {}}},
        {"sms": {"url": "https://sms.example/send", "inside": "yes", "body": {}}},
        {"pigeon": {}},
        {"zns": {"url": "https://x.example", "access_token_file": "/nowhere", "templates": {}}},
        {"webhook": {"url": "https://x.example", "secret": "whsec_***"}},
        {"email": {"host": "x", "port": "many", "from": "a@b"}},
    ],
)
def test_a_channel_that_cannot_work_stops_the_start_and_says_which(channels):
    with pytest.raises(Misconfigured, match=next(iter(channels))):
        connect(channels, RULES)


@pytest.mark.parametrize(("content", "mode"), [("[]", 0o600), ('{"sms": 1}', 0o600), ("{", 0o600), ("{}", 0o644)])
def test_a_file_that_is_damaged_or_that_others_can_read_is_refused(tmp_path, content, mode):
    path = tmp_path / "channels.json"
    path.write_text(content)
    path.chmod(mode)
    with pytest.raises(Misconfigured, match=r"channels\.json"):
        load_channels(path)


def test_receipts_are_signed_with_the_channels_own_key():
    assert receipt_secrets({"sms": {"receipt_secret": "k"}, "zns": {}}) == {Channel.SMS: b"k"}


def test_neither_number_nor_words_are_logged(caplog):
    with caplog.at_level("DEBUG"):
        gateways.NullCarrier(Channel.SMS).carry(LETTER)
    assert LETTER.phone not in caplog.text
    assert LETTER.text not in caplog.text
    assert str(LETTER.id) in caplog.text
