"""Which addresses and hosts may be fetched from."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import SettingsError
from backend.images.addresses import AllowList, is_public

pytestmark = pytest.mark.unit

REFUSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::",
    "2001:0:7f00:1:0:0:f5ff:fffe",
    "100::1",
    "2001:db8::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "99.255.255.255",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "193.0.0.1",
    "2606:4700:4700::1111",
    "2a00:1450:4001:80f::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::",
]


@pytest.mark.parametrize("text", REFUSED)
def test_addresses_that_are_not_of_the_internet_are_refused(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_ordinary_addresses_are_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_the_same_inside_ipv6(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    carriers = [(0xFFFF << 32) | number, (0x64FF9B << 96) | number, (0x2002 << 112) | (number << 80)]
    assert {is_public(ipaddress.IPv6Address(carrier)) for carrier in carriers} == {is_public(address)}


@given(st.ip_addresses(v=4))
def test_nothing_that_python_calls_private_is_public(address: ipaddress.IPv4Address) -> None:
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
        assert not is_public(address)


@pytest.mark.parametrize(
    ("entry", "host", "address", "permitted"),
    [
        ("photos.internal", "photos.internal", "10.0.0.5", True),
        ("Photos.Internal.", "PHOTOS.internal", "10.0.0.5", True),
        ("photos.internal", "evil.photos.internal", "10.0.0.5", False),
        ("photos.internal", "photos.internal.evil.com", "10.0.0.5", False),
        ("10.0.0.5", "any.name", "10.0.0.5", True),
        ("10.0.0.5", "any.name", "10.0.0.6", False),
        ("10.0.0.0/8", "any.name", "10.255.0.1", True),
        ("10.0.0.1/8", "any.name", "11.0.0.1", False),
        ("10.0.0.0/8", "any.name", "::ffff:10.0.0.9", True),
        ("[fd00::1]", "any.name", "fd00::1", True),
        ("fd00::/8", "any.name", "fd12::1", True),
        ("fd00::/8", "any.name", "fe80::1", False),
    ],
)
def test_allow_list(entry: str, host: str, address: str, permitted: bool) -> None:
    assert AllowList([entry]).permits(host, ipaddress.ip_address(address)) is permitted


@pytest.mark.parametrize("entry", ["10.0.0.0/33", "http://host", "host:80", "a@b", "*.internal", ""])
def test_an_entry_that_is_nothing_of_these_is_named(entry: str) -> None:
    with pytest.raises(SettingsError, match="ALLOWED_HOSTS"):
        AllowList([entry])
