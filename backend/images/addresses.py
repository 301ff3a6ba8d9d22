"""Which network addresses may be fetched from.

An image value is written by whoever can import tasks, so a host name in it may point at the machine's own
services or at a cloud's metadata server. Addresses are judged after name resolution, and the connection goes to
the address that was judged.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from backend.errors import SettingsError

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

# Not private by the registries of IANA, but never a photo server.
_ALSO_REFUSED: tuple[IPNetwork, ...] = (
    ipaddress.ip_network("168.63.129.16/32"),  # Azure's host agent
    ipaddress.ip_network("192.0.0.0/24"),  # protocol assignments, Oracle's metadata server among them
    ipaddress.ip_network("192.88.99.0/24"),  # former 6to4 relays
    ipaddress.ip_network("100.64.0.0/10"),  # carrier-grade NAT, Alibaba's metadata server among them
    ipaddress.ip_network("64:ff9b:1::/48"),  # local-use NAT64
    ipaddress.ip_network("fec0::/10"),  # former site-local
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")  # RFC 4291, 2.5.5.1
_LOW_32_BITS = 0xFFFFFFFF


def is_public(address: IPAddress) -> bool:
    """Whether `address` is an ordinary address of the internet.

    IPv6 addresses that carry an IPv4 address (mapped, compatible, 6to4, Teredo, NAT64) are public only if that one is.
    """
    if any(address in network for network in _ALSO_REFUSED):
        return False
    if address.is_multicast or address.is_loopback or address.is_link_local or address.is_unspecified:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        carried = _carried_ipv4(address)
        if carried:
            return all(is_public(inner) for inner in carried)
    return address.is_global and not address.is_private and not address.is_reserved


def _carried_ipv4(address: ipaddress.IPv6Address) -> tuple[ipaddress.IPv4Address, ...]:
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    if address in _NAT64 or address in _IPV4_COMPATIBLE:
        return (ipaddress.IPv4Address(int(address) & _LOW_32_BITS),)
    return ()


class AllowList:
    """Hosts that may be fetched from though their addresses are not public.

    Args:
        entries: host names, addresses, or networks such as `10.0.0.0/8`.

    Raises:
        SettingsError: an entry is none of these.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        names: set[str] = set()
        networks: list[IPNetwork] = []
        for entry in entries:
            text = entry.strip().strip("[]")
            try:
                networks.append(ipaddress.ip_network(text, strict=False))
            except ValueError:
                if not text or any(character in text for character in "/:@*? "):
                    raise SettingsError(
                        f"ALLOWED_HOSTS: {entry!r} is not a host name, an address or a network; "
                        "write e.g. photos.internal, 10.0.0.5 or 10.0.0.0/8"
                    ) from None
                names.add(canonical_host(text))
        self._names = frozenset(names)
        self._networks = tuple(networks)

    def permits(self, host: str, address: IPAddress) -> bool:
        """Whether `address`, found for the name `host`, is on the list."""
        if canonical_host(host) in self._names:
            return True
        plain = _unmapped(address)
        return any(plain in network for network in self._networks)


def canonical_host(host: str) -> str:
    """`host` in the one spelling that names are compared in."""
    return host.rstrip(".").lower()


def _unmapped(address: IPAddress) -> IPAddress:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
