"""What a list at a URL names is fetched from public addresses, or from the list's own server.

Else a stranger's list could send requests to whatever this machine alone can reach: its own
services, its neighbours, a cloud's metadata. The address itself is looked at, when the connection
to it is opened: so it does not matter how it was written, which name led to it, what that name
meant a moment ago, or whether another server redirected to it.
"""

import asyncio
import errno
import ipaddress
import socket
from contextlib import suppress
from functools import partial
from urllib.parse import urlsplit

WEB = ("http", "https")
PORTS = {"http": 80, "https": 443}
UNICAST = ipaddress.ip_network("2000::/3")
TRANSLATED = ipaddress.ip_network("64:ff9b::/96")  # IPv4 behind NAT64 (RFC 6052)


class ListedUrl(str):
    """The URL of a file that a list at a URL names; ``base`` is the folder of that list."""

    def __new__(cls, url, base):
        """Return the URL with the folder of its list."""
        self = super().__new__(cls, url)
        self.base = base
        return self


def guard_requests(url):
    """Return the options with which fsspec opens a URL; none for what no list at a URL names."""
    protocol = url.rpartition("::")[2].partition("://")[0]
    if not isinstance(url, ListedUrl) or protocol not in WEB:
        return {}
    open_session = partial(_open_session, own=_find_server(url.base))
    return {protocol: {"get_client": open_session}}


def is_public(address):
    """Return whether an IP address, as text, is one of the public internet."""
    address = ipaddress.ip_address(address)
    if address.version == 6:
        inner = address.ipv4_mapped or address.sixtofour
        if address in TRANSLATED:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is None and address not in UNICAST:
            return False
        address = inner or address
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _find_server(url):
    """Return host and port of a URL of the web, chained or not; None of any other."""
    with suppress(ValueError):  # of a port that is no number
        parts = urlsplit(url.rpartition("::")[2])
        if parts.scheme in WEB and parts.hostname:
            return parts.hostname, parts.port or PORTS[parts.scheme]
    return None


async def _open_session(*, own, loop=None, **options):
    """Return a session of aiohttp that connects to public addresses and to a list's own server."""
    import aiohttp  # 0.2 s that only remote lists cost

    known = set()
    if own:
        with suppress(OSError):  # it is not there; the request says so
            found = await asyncio.get_running_loop().getaddrinfo(*own, type=socket.SOCK_STREAM)
            known = {address[:2] for *_, address in found}
    connector = aiohttp.TCPConnector(socket_factory=partial(_open_socket, known))
    return aiohttp.ClientSession(connector=connector, **options)


def _open_socket(known, info):
    """Return a socket for an address that is known or public."""
    family, kind, protocol, _, (host, port, *_) = info
    if (host, port) not in known and not is_public(host):
        reason = f"{host} is no public address, and not the server of the list that names it"
        raise OSError(errno.EACCES, reason)
    return socket.socket(family, kind, protocol)
