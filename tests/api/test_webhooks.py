"""Webhooks over HTTP: what an agency does with them, and what a hostile address or receiver can do to us."""

import socket
import ssl
import threading
import time
from contextlib import contextmanager

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from courier import webhooks
from courier.outside import posting
from tests.api.conftest import Person
from tests.builders import MORNING, Phone
from tests.receiver import a_receiver, fits

V1 = "/api/v1"
HEADERS = {"Content-Type": "application/json"}


@pytest.fixture
def receiver():
    with a_receiver() as made:
        yield made


def post(url, *, within=5.0, loopback=True, **more):
    return posting.post(url, b"{}", HEADERS | {"webhook-id": "msg_1"}, within=within, loopback=loopback, **more)


# ------------------------------------------------------------------------------------------------- one call outside
def test_a_call_reaches_the_receiver_and_tells_what_he_said(receiver):
    receiver.answer = lambda _: (503, {"Retry-After": "120"})
    assert post(receiver.url) == posting.Answer(503, None, 120)
    assert receiver.calls[0].headers["host"] == f"127.0.0.1:{receiver.port}"


def test_a_redirect_is_not_followed(receiver):
    with a_receiver() as inside:
        receiver.answer = lambda _: (307, {"Location": inside.url})
        assert post(receiver.url).status == 307
        assert not post(receiver.url).taken
        assert inside.calls == []


def test_without_the_setting_this_machine_is_not_called_by_any_of_its_names(receiver):
    for host in ("127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "2130706433", "0.0.0.0"):  # noqa: S104
        for scheme in ("http", "https"):
            answer = post(f"{scheme}://{host}:{receiver.port}/hook", loopback=False)
            assert answer.status is None
            assert answer.fault in ("private-address", "unreadable-url", "https-only")
    answer = post(f"https://hook.example.vn:{receiver.port}/", loopback=False, resolver=lambda *_: ["127.0.0.1"])
    assert answer == posting.Answer(None, "private-address")
    assert receiver.calls == []


def test_a_name_that_changes_between_the_check_and_the_call_gains_nothing(receiver):
    """The name is asked once; the call goes to what was checked, and only the Host header says the name."""
    asked = []

    def rebinding(host, _port):
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    assert post(f"http://x.localhost:{receiver.port}/hook", resolver=rebinding).status == 204
    assert asked == ["x.localhost"]
    assert receiver.calls[0].headers["host"] == f"x.localhost:{receiver.port}"


@contextmanager
def a_server(talk):
    """A plain socket that does with its first callers whatever `talk` does."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve():
        while not done.is_set():
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(caller, done), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        done.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def drips(caller, done):
    """One byte of a header every fifth of a second, for ever."""
    with caller:
        while not done.wait(0.2):
            try:
                caller.sendall(b"H")
            except OSError:
                return


def silent(caller, done):
    with caller:
        done.wait(30)


def floods(caller, done):
    with caller:
        caller.recv(65536)
        try:
            caller.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while not done.is_set():
                caller.sendall(b"x" * 65536)
        except OSError:
            return


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("talk", [drips, silent])
def test_a_slow_receiver_is_left_when_the_time_is_over(talk, scheme):
    with a_server(talk) as port:
        begun = time.monotonic()
        answer = post(f"{scheme}://127.0.0.1:{port}/", within=0.7)
        assert time.monotonic() - begun < 3
        assert answer.status is None
        assert answer.fault in (("timeout", "tls") if talk is drips else ("timeout",))


def test_an_answer_without_end_is_not_read():
    with a_server(floods) as port:
        begun = time.monotonic()
        assert post(f"http://127.0.0.1:{port}/", within=5).taken
        assert time.monotonic() - begun < 3


def test_a_certificate_that_nobody_vouches_for_is_no_receiver(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hook.example.vn")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(MORNING.replace(tzinfo=None).replace(year=2020))
        .not_valid_after(MORNING.replace(tzinfo=None).replace(year=2040))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hook.localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "both.pem"
    pem.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    def shakes_hands(caller, _done):
        try:
            with context.wrap_socket(caller, server_side=True) as wrapped:
                heard = b""
                while not heard.endswith(b"{}"):  # headers and body may come apart
                    heard += wrapped.recv(65536)
                wrapped.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        except (OSError, ssl.SSLError):
            return

    here = {"resolver": lambda *_: ["127.0.0.1"], "within": 5}
    with a_server(shakes_hands) as port:
        assert post(f"https://hook.localhost:{port}/", **here).fault == "tls"
        trusting = ssl.create_default_context(cafile=str(pem))
        assert post(f"https://hook.localhost:{port}/", **here, trust=trusting).taken
        # Trusted, but another's: the certificate must be the name's although the call goes to a number.
        assert post(f"https://other.localhost:{port}/", **here, trust=trusting).fault == "tls"


# ------------------------------------------------------------------------------------------------------ over the API
@pytest.fixture
def agency(app_with, town):
    """The agency's client at a server whose webhooks may go to this machine."""
    return Person(app_with(loopback_webhooks=True), town.agency.caller, town.agency.token)


def test_an_agency_enters_an_endpoint_and_hears_of_its_items(agency, town, desk, receiver, app_with, clock):
    made = agency.post(f"{V1}/webhooks", json={"url": receiver.url, "types": ["item.out", "item.attempt_failed"]})
    assert made.status_code == 201
    secret, path = made.json["secret"], f"{V1}/webhooks/{made.json['id']}"
    assert secret not in agency.get(path).text
    assert agency.post(f"{path}/ping").status_code == 202
    item = town.here.item()
    town.here.desk = agency_desk = agency._client.application.extensions["desk"]
    phone = Phone(town.here, town.here.postmen[0])
    phone.send(
        phone.event("taken_out", [item], 10), phone.event("attempt_failed", [item], 60, reason="recipient_absent")
    )
    clock.forward(hours=11)
    messenger = webhooks.Messenger(agency_desk, clock=clock)
    while messenger.round(patience=5):
        pass
    messenger.close()
    calls = receiver.wait_for(3)
    assert sorted(call.said["type"] for call in calls) == ["item.attempt_failed", "item.out", "ping"]
    assert all(fits(secret, call, now=clock().timestamp()) for call in calls)
    notices = agency.get(f"{path}/notices?limit=2").json
    rest = agency.get(f"{path}/notices", query_string={"after": notices["next"]}).json
    assert [one["type"] for one in notices["data"] + rest["data"]] == ["item.attempt_failed", "item.out", "ping"]
    assert {one["state"] for one in notices["data"]} == {"delivered"}
    assert agency.post(f"{path}/replay", json={"notice": notices["data"][0]["id"]}).json == {"replayed": 1}
    assert agency.post(f"{path}/replay", json={}).status_code == 422
    assert agency.get(path).json["pending"] == 1


def test_an_endpoint_is_changed_by_version_and_switched_off_and_taken_away(agency, receiver):
    made = agency.post(f"{V1}/webhooks", json={"url": receiver.url}).json
    path = f"{V1}/webhooks/{made['id']}"
    off = agency.ask("PATCH", path, json={"active": False}, headers={"If-Match": '"1"'})
    assert (off.status_code, off.json["state"], off.json["disabled_reason"]) == (200, "disabled", "asked")
    assert agency.post(f"{path}/ping").json["code"] == "endpoint-disabled"
    assert agency.ask("PATCH", path, json={"active": True}, headers={"If-Match": '"1"'}).status_code == 412
    assert agency.post(f"{path}/secret").json["secret"] != made["secret"]
    assert agency.ask("DELETE", path, headers={"If-Match": '"3"'}).status_code == 204
    assert agency.get(path).status_code == 404


def test_an_address_inside_is_refused_with_its_reason(town):
    for url, code in (
        ("https://10.0.0.1/", "private-address"),
        ("https://[::ffff:169.254.169.254]/", "private-address"),
        ("https://2130706433/", "unreadable-url"),
        ("http://hook.example.vn/", "https-only"),
        ("http://127.0.0.1/", "private-address"),
    ):
        answer = town.agency.post(f"{V1}/webhooks", json={"url": url})
        assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, code)


def test_an_admin_enters_one_for_an_agency_and_an_agency_only_for_itself(town):
    agency_id = str(town.agency.caller.agency_id)
    url = {"url": "https://8.8.8.8/"}
    assert town.of("admin").post(f"{V1}/webhooks", json=url).status_code == 422
    assert town.of("admin").post(f"{V1}/webhooks", json=url | {"agency": agency_id}).json["agency"] == agency_id
    other = "00000000-0000-0000-0000-00000000000b"
    assert town.agency.post(f"{V1}/webhooks", json=url | {"agency": other}).json["agency"] == agency_id
