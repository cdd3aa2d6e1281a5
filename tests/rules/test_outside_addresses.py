"""Where our server calls to: never into its own house, whatever somebody typed in or his name server says."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courier.outside import addresses
from courier.outside.addresses import Refused

INSIDE = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",  # noqa: S104 - refused, not bound
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",  # the metadata of a cloud
    "100.64.0.1",
    "100.100.100.200",  # the metadata of another
    "168.63.129.16",
    "192.0.0.192",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:a9fe:a9fe",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
    "2002:7f00:1::",  # 6to4 around 127.0.0.1
    "64:ff9b::7f00:1",  # NAT64 around 127.0.0.1
    "64:ff9b:1::1",
    "2001:0:5ef5:79fb:0:0:80ff:fffe",  # Teredo around 127.0.0.1
]
OUTSIDE = ["8.8.8.8", "203.162.4.191", "1.1.1.1", "2606:4700:4700::1111", "2400:cb00::1"]


@pytest.mark.parametrize("address", INSIDE)
def test_nothing_inside_is_called_by_its_number(address):
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(Refused) as refused:
        addresses.read(f"https://{host}/hook")
    assert refused.value.code == "private-address"


@pytest.mark.parametrize("address", INSIDE)
def test_nothing_inside_is_called_by_a_name_that_leads_there(address):
    target = addresses.read("https://hook.example.vn/in")
    with pytest.raises(Refused):
        addresses.resolve(target, resolver=lambda *_: ["8.8.8.8", address])


@pytest.mark.parametrize("address", OUTSIDE)
def test_the_public_network_is_called(address):
    host = f"[{address}]" if ":" in address else address
    target = addresses.read(f"https://{host}:8443/hook?x=1")
    assert (target.port, target.tls, target.path) == (8443, True, "/hook?x=1")
    assert addresses.resolve(target, resolver=lambda *_: [address]) == [address]


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://hook.example.vn/", "https-only"),
        ("ftp://hook.example.vn/", "https-only"),
        ("file:///etc/passwd", "https-only"),
        ("gopher://hook.example.vn/", "https-only"),
        ("hook.example.vn", "https-only"),
        ("https://", "unreadable-url"),
        ("https://2130706433/", "unreadable-url"),  # 127.0.0.1 as one number
        ("https://0x7f000001/", "unreadable-url"),
        ("https://0177.0.0.1/", "unreadable-url"),
        ("https://127.1/", "unreadable-url"),
        ("https://user:secret@hook.example.vn/", "unreadable-url"),
        ("https://hook.example.vn@127.0.0.1/", "unreadable-url"),
        ("https://hook.example.vn\\@127.0.0.1/", "unreadable-url"),
        ("https://hook.example.vn/#part", "unreadable-url"),
        ("https://hook.example.vn:99999/", "unreadable-url"),
        ("https://hook.example.vn/a b", "unreadable-url"),
        ("https://hook.example.vn/\r\nHost: x", "unreadable-url"),
        ("https://[fe80::1%25eth0]/", "unreadable-url"),
        ("https://hook..vn/", "unreadable-url"),
        ("https://①②⑦.0.0.1/", "unreadable-url"),
        ("https://localhost/", "private-address"),
        ("https://localhost./", "private-address"),
        ("https://x.localhost:8443/", "private-address"),
        ("https://h.vn/" + "a" * 2000, "unreadable-url"),
    ],
)
def test_an_address_is_a_plain_https_one(url, code):
    with pytest.raises(Refused) as refused:
        addresses.read(url)
    assert refused.value.code == code


def test_this_machine_is_called_where_the_setting_says_so_and_nothing_else_inside_is():
    assert addresses.read("http://127.0.0.1:9000/x", loopback=True).port == 9000
    assert addresses.read("http://localhost:9000/x", loopback=True).tls is False
    for url in ("http://10.0.0.1/", "https://10.0.0.1/", "http://hook.example.vn/", "https://169.254.169.254/"):
        with pytest.raises(Refused):
            addresses.read(url, loopback=True)


METADATA = ("169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254")


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_of_the_house_itself_leads_to_private_networks_and_to_nothing_else_that_is_special(address):
    """What is private is written out here: the three networks of RFC 1918, this machine, and unique local IPv6."""
    private = ("10.", "127.", "172.16.", "172.31.", "192.168.", "fc00:", "::ffff:10.", "::ffff:127.")
    reachable = address in (
        "::1",
        "::7f00:1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "2001:0:5ef5:79fb:0:0:80ff:fffe",
    ) or (address.startswith(private) and address not in METADATA)
    host = f"[{address}]" if ":" in address else address
    for attempt in (
        lambda: addresses.read(f"http://{host}/send", inside=True),
        lambda: addresses.resolve(
            addresses.read("http://sms.example.vn/", inside=True), inside=True, resolver=lambda *_: [address]
        ),
    ):
        if reachable:
            attempt()
        else:
            with pytest.raises(Refused):
                attempt()


@pytest.mark.parametrize("address", OUTSIDE)
def test_what_leaves_the_house_leaves_it_sealed(address):
    for scheme, refused in (("http", True), ("https", False)):
        target = addresses.read(f"{scheme}://sms.example.vn/", inside=True)
        if refused:
            with pytest.raises(Refused, match="without TLS"):
                addresses.resolve(target, inside=True, resolver=lambda *_: [address])
        else:
            assert addresses.resolve(target, inside=True, resolver=lambda *_: [address]) == [address]


@given(st.integers(0, 2**32 - 1), st.sampled_from(["{}", "::ffff:{}", "64:ff9b::{}"]))
def test_an_address_counts_the_same_in_every_dress(number, dress):
    plain = ipaddress.IPv4Address(number)
    # The registry of special networks as this test knows it, bit by bit.
    special = [
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
        "168.63.129.16/32",
    ]  # fmt: skip
    inside = any(
        number >> (32 - int(net.split("/")[1]))
        == int(ipaddress.IPv4Address(net.split("/")[0])) >> (32 - int(net.split("/")[1]))
        for net in special
    )
    try:
        addresses.require_outside(ipaddress.ip_address(dress.format(plain)))
    except Refused:
        # 192.0.0.9 and .10 are public by the registry, and nobody needs them.
        assert inside or number in (0xC0000009, 0xC000000A)
    else:
        assert not inside or number in (0xC0000009, 0xC000000A)
