"""Where a request comes from, as far as that can be known."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address, ip_network

UNKNOWN = "unknown"


def client_address(peer: str | None, forwarded_for: Sequence[str], trusted_proxies: int) -> str:
    """The address that the outermost trusted proxy saw; a network of 64 bits for IPv6.

    `forwarded_for` holds the lines of X-Forwarded-For. Each proxy adds at its end whom it heard, so
    that the entries of our own proxies are counted from there, and what a client made up is before them.
    """
    hops = [hop.strip() for line in forwarded_for for hop in line.split(",")] if trusted_proxies else []
    hops.append(peer or "")
    known = _network(hops[max(len(hops) - 1 - trusted_proxies, 0)])
    return known or _network(peer or "") or UNKNOWN


def _network(text: str) -> str | None:
    try:
        address = ip_address(_without_port(text))
    except ValueError:
        return None
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    # Who has one address of IPv6 has all of its network.
    return str(ip_network((address.packed, 64), strict=False))


def _without_port(text: str) -> str:
    """Some proxies add the port: 192.0.2.1:443, [2001:db8::1]:443."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
