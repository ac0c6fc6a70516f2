"""Which addresses may be called: the two classes of origins and what lies behind them. Connects to nothing.

*Operator* origins stand in the settings, exactly: they may be http and may lead to private addresses.
*Request* origins come from a request or a record: they must be allow-listed, https, and lead to public addresses.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urljoin

from msgspec import Struct

from fhir_adapters.errors import UnsafeAddress

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
Address = IPv4Address | IPv6Address

LONGEST_URL = 8192
PORTS = {"http": 80, "https": 443}
# One strict spelling, so that no other parser reads another host out of it: no user, escape, backslash or zone.
URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9_](?:[A-Za-z0-9_-]|\.(?=[A-Za-z0-9_]))*|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?:[/?#]\S*)?",
    re.ASCII,
)
NUMERIC_LABEL = re.compile(r"(?:[0-9]+|0[xX][0-9A-Fa-f]*)")

NAT64 = IPv6Network("64:ff9b::/96")
# Forms that carry an IPv4 address inside: mapped, compatible, translated, local NAT64, Teredo, 6to4, site-local.
DISGUISES = tuple(
    ip_network(net)
    for net in ("::ffff:0:0/96", "::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "fec0::/10")
)
# Not for hosts, though Python calls most of it global: protocol assignments (cloud metadata at .192), 6to4 relays.
RESERVED = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"))
CLOUD_METADATA = frozenset(map(ip_address, ("168.63.129.16", "169.254.169.254", "100.100.100.200", "fd00:ec2::254")))


class Origin(Struct, frozen=True):
    """Scheme, host (lower case, IPv6 without brackets) and port."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == PORTS[self.scheme] else f":{self.port}")


@lru_cache(maxsize=1024)
def _origin(scheme: str, host: str, port: str) -> Origin:
    host = host.lower().strip("[]")
    number = int(port or PORTS[scheme])
    if not 0 < number < 65536:
        raise UnsafeAddress(detail="port out of range")
    _check_numeric(host)
    return Origin(scheme, host, number)


def origin_of(url: str) -> Origin:
    """The origin of an absolute http(s) URL; UnsafeAddress for any other spelling."""
    match = URL.fullmatch(url) if len(url) <= LONGEST_URL and url.isascii() and url.isprintable() else None
    if match is None or "\\" in url:
        raise UnsafeAddress(detail="not a plain absolute http or https address")
    return _origin(match["scheme"], match["host"], match["port"] or "")


def within_origin(origin: Origin, current: str, link: str) -> str:
    """``link`` of the page ``current`` as an absolute URL; '' when it is none or leads to another origin."""
    try:
        url = urljoin(current, link)
        return url if origin_of(url) == origin else ""
    except (ValueError, UnsafeAddress):
        return ""


def _check_numeric(host: str) -> None:
    """An IP address is written in its one usual form; ``0x7f.1``, ``2130706433`` and ``010.0.0.1`` are refused."""
    last = host.rsplit(".", 1)[-1]
    if ":" not in host and not NUMERIC_LABEL.fullmatch(last):
        return
    try:
        ip_address(host)
    except ValueError:
        raise UnsafeAddress(detail="a number in place of a host name") from None


def is_public(address: Address) -> bool:
    """True for an address of the open Internet. No disguised IPv4 address is one, but for NAT64 of a public one."""
    if isinstance(address, IPv6Address):
        if address in NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if any(address in net for net in DISGUISES):
            return False
    elif any(address in net for net in RESERVED):
        return False
    return address.is_global and not address.is_multicast and address not in CLOUD_METADATA


def is_callable_by_operator(address: Address) -> bool:
    """Private and loopback are the operator's to name; link-local (cloud metadata), multicast and 'any' are not."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return False
    bad = address.is_link_local or address.is_multicast or address.is_unspecified
    return not bad and address not in CLOUD_METADATA


class Policy:
    """The allow-list. ``operator`` entries are exact origins; ``https://*.example.org`` counts as ``request``.

    ``request`` entries (an issuer's own origins) get the full policy: https and public addresses only.
    """

    def __init__(self, operator: Iterable[str] = (), request: Iterable[str] = ()) -> None:
        operator, request = list(operator), list(request)
        patterns = [entry for entry in [*operator, *request] if "*" in entry]
        self._suffixes = tuple(_suffix(entry) for entry in patterns)
        self.operator = frozenset(origin_of(entry) for entry in operator if "*" not in entry)
        self._request = frozenset(origin_of(entry) for entry in request if "*" not in entry)
        self._private_hosts = frozenset((o.host, o.port) for o in self.operator)

    def admit(self, url: str, bound: Collection[str] = ()) -> Origin:
        """The origin of ``url`` if it may be called, else UnsafeAddress. ``bound``: all that this issuer may name."""
        origin = origin_of(url)
        if bound and not any(_names(entry, origin) for entry in bound):
            raise UnsafeAddress(detail="origin not allowed for this issuer")
        if origin in self.operator:
            return origin
        if origin.scheme != "https":
            raise UnsafeAddress(detail="https required")
        if origin not in self._request and not self._matches(origin):
            raise UnsafeAddress(detail="origin not allowed")
        if (address := _literal(origin.host)) is not None and not is_public(address):
            raise UnsafeAddress(detail="not a public address")
        return origin

    def _matches(self, origin: Origin) -> bool:
        return any(_ends(origin, *suffix) for suffix in self._suffixes)

    async def addresses(self, host: str, port: int, resolver: Resolver) -> list[str]:
        """The addresses of a host, looked up once and each vetted; UnsafeAddress if a single one may not be called.

        OSError from the resolver passes through. The caller connects to these and to nothing else.
        """
        literal = _literal(host)
        found = [str(literal)] if literal is not None else list(await resolver(host, port))
        vet = is_callable_by_operator if (host, port) in self._private_hosts else is_public
        for address in found:
            if not vet(ip_address(address)):
                raise UnsafeAddress(detail="name leads to an address that is not public")
        return found


def _names(entry: str, origin: Origin) -> bool:
    """Whether an entry of an allow-list, exact or a pattern, names this origin."""
    return _ends(origin, *_suffix(entry)) and origin.scheme == "https" if "*" in entry else origin_of(entry) == origin


def _ends(origin: Origin, suffix: str, port: int) -> bool:
    return origin.host.endswith(suffix) and origin.port == port


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _suffix(entry: str) -> tuple[str, int]:
    """``https://*.example.org`` → (``.example.org``, 443)."""
    origin = origin_of(entry.replace("//*.", "//", 1))
    if "//*." not in entry or "." not in origin.host or origin.scheme != "https":
        raise UnsafeAddress(detail="a pattern is written https://*.example.org")
    return f".{origin.host}", origin.port
