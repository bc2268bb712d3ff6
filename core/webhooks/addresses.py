"""Which addresses a webhook may reach: the open internet, not this network's own machines.

A user names the address, and so it must not lead to where only this machine can go (server-side
request forgery). Names are checked where they are resolved: workers.webhooks.guarded_http.
"""

import ipaddress
import socket
from urllib.parse import urlsplit

from core.errors import InvalidSpec

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NAT64 = ipaddress.ip_network("64:ff9b::/96")
UNICAST = ipaddress.ip_network("2000::/3")  # what is given out of IPv6's open addresses
NOT_OPEN = (
    ipaddress.ip_network("192.0.0.0/24"),  # between a provider and its customers
    ipaddress.ip_network("3fff::/20"),  # for documents
)


def is_open(address: str) -> bool:
    """Whether an IP address, as the resolver writes it, is of the open internet. IPv6 that carries
    an IPv4 address (mapped, 6to4, Teredo, NAT64) counts as that address."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    return all(_is_open(one) for one in (ip, *_embedded(ip)))


def _is_open(ip: Address) -> bool:
    if isinstance(ip, ipaddress.IPv6Address) and (ip.ipv4_mapped is not None or ip in NAT64):
        return True  # as far as the address in it is
    given_out = isinstance(ip, ipaddress.IPv4Address) or ip in UNICAST
    closed = ip.is_multicast or any(ip in network for network in NOT_OPEN)
    return ip.is_global and given_out and not closed


def _embedded(ip: Address) -> list[Address]:
    if isinstance(ip, ipaddress.IPv4Address):
        return []
    found: list[Address | None] = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    if ip in NAT64:
        found.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    return [one for one in found if one is not None]


def check_webhook_url(url: str, *, private: bool) -> None:
    """Refuse at once what can never be sent to; nothing is resolved.

    private: addresses of this network are allowed, and http. Raises InvalidSpec that says what
    would be right.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InvalidSpec(f"webhook_url is no address: {url[:100]!r}") from None
    if not host or port == 0 or "@" in parts.netloc or not (url.isascii() and url.isprintable()):
        raise InvalidSpec(
            "webhook_url is an address such as https://example.org/hook, in printable ASCII, "
            "without a user or password in it"
        )
    if private:
        return
    if parts.scheme != "https":
        raise InvalidSpec("webhook_url must begin with https://")
    literal = _literal(host)
    if (literal and not is_open(literal)) or host.rstrip(".").lower() == "localhost":
        raise InvalidSpec(
            f"webhook_url leads to {host}, which is no address of the open internet; "
            "MATTEFORGE_WEBHOOK_PRIVATE=1 would allow it"
        )


def _literal(host: str) -> str | None:
    """The address that a host's name spells, in any way that resolvers take: 127.1, 0x7f000001,
    2130706433, [::1]; None: it is a name."""
    try:
        return str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None
