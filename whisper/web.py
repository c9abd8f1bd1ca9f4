"""Fetch what a stranger's address leads to: only from public https servers, within bounds.

    guard = web.PUBLIC
    web.check("https://example.org/talk.mp3")                      is it an address that we follow
    web.fetch("https://example.org/talk.mp3", folder / "talk", kinds=web.MEDIA)
    web.read("https://example.org/feed.xml", kinds=web.FEED)

Every host is resolved here, once for each connection, and the connection is made to an address
that was found public: no name, no redirect and no second answer of a DNS server leads elsewhere.
There are no cookies, no proxies, no keys and no local files. Every failure is a `WebError`, one
sentence without the query of the address, in which keys may travel.
"""

from __future__ import annotations

import io
import ipaddress
import re
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpcore
import httpx

from fti.errors import SourceError
from fti.http import MAX_REDIRECTS, MEGABYTE, USER_AGENT, without_secrets

LONGEST_ADDRESS = 2000  # characters
PATIENCE = 15.0  # seconds without a byte
PIECE = 2**16  # bytes unpacked at a time
MEDIA = (
    "audio/", "video/", "application/ogg", "application/mp4", "application/octet-stream",
    "binary/octet-stream",
)  # fmt: skip
FEED = ("application/rss", "application/atom", "application/xml", "text/", "application/rdf")
PICTURE = ("image/",)
LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
NUMBER = re.compile(r"\d+|0x[0-9a-f]*")  # as the last part of a host: an address, however written
ODD = re.compile(r"[\s\\\x00-\x20\x7f-\xa0]")
# Public in form, but they wrap another address or lead back into the network they are used in.
WRAPPING = [ipaddress.ip_network(text) for text in ("2002::/16", "2001::/32", "192.88.99.0/24")]
UNICAST = ipaddress.ip_network("2000::/3")  # all of IPv6 that is given out
NAT64 = ipaddress.ip_network("64:ff9b::/96")  # the last 32 bits are an address of IPv4


class WebError(SourceError):
    """An address that is not followed, or that did not give what it should."""


def resolve(host: str, port: int) -> list[str]:
    """Give the addresses of a host as the system, which has its own time limit, knows them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True)
class Guard:
    """Where connections may go.

    `allow` names servers, as "host:port", that may also be plain http and on loopback, and only
    there. It is for tests and comes from code, never from a visitor.
    """

    allow: frozenset[str] = frozenset()
    resolve: Callable[[str, int], Sequence[str]] = resolve
    tls: ssl.SSLContext | None = field(default=None, repr=False)


PUBLIC = Guard()


@dataclass(frozen=True)
class Fetched:
    """What came: its last address without the query, its type as the server says, its size."""

    address: str
    kind: str  # "audio/mpeg", or "" where the server says nothing
    size: int  # bytes


def fetch(
    url: str,
    path: Path,
    *,
    kinds: Sequence[str] = MEDIA,
    max_bytes: int = 200 * MEGABYTE,
    seconds: float = 120.0,
    guard: Guard = PUBLIC,
) -> Fetched:
    """Write what an address leads to into a file, or raise WebError and leave no file.

    `kinds` are the content types that are taken, or how they begin; `seconds` bounds all of it,
    redirects included.
    """
    try:
        with Path(path).open("wb") as file:
            return _follow(url, file, kinds, max_bytes, seconds, guard)
    except BaseException:
        Path(path).unlink(missing_ok=True)
        raise


def read(
    url: str,
    *,
    kinds: Sequence[str],
    max_bytes: int = 10 * MEGABYTE,
    seconds: float = 60.0,
    guard: Guard = PUBLIC,
) -> bytes:
    """Give what an address leads to; bounds and errors as of `fetch`."""
    body = io.BytesIO()
    _follow(url, body, kinds, max_bytes, seconds, guard)
    return body.getvalue()


def check(url: str, guard: Guard = PUBLIC) -> httpx.URL:
    """Give the address in parts if it has the form of a public one; raises WebError otherwise.

    Nothing is looked up yet: whether its host is public is seen when it is connected to.
    """
    text = url.strip()
    if len(text) > LONGEST_ADDRESS or ODD.search(text):
        raise WebError("This is not a web address: paste one that begins with https://.")
    try:
        parts = httpx.URL(text)
        host = _host(parts)
        parts = parts.copy_with(host=host) if host else parts  # without a dot at its end
    except (httpx.InvalidURL, ValueError) as error:
        raise WebError(f"{shown(text)} is not a web address: check its spelling.") from error
    if parts.scheme not in ("https", "http") or not host:
        raise WebError(f"{shown(text)} is not a web address: paste one that begins with https://.")
    if parts.userinfo:
        raise WebError(f"{shown(text)} holds a user name or password: leave it out.")
    if f"{host}:{_port(parts)}" in guard.allow:
        return parts
    if parts.scheme != "https":
        raise WebError(f"{shown(text)} is not encrypted: only https:// addresses are followed.")
    if _port(parts) != 443:
        raise WebError(f"{shown(text)} names a port: only the usual one of https is used.")
    labels = host.split(".")
    if ":" in host or NUMBER.fullmatch(labels[-1]):
        raise WebError(f"{shown(text)} names a number in place of a host: paste its name.")
    if len(labels) < 2 or not all(map(LABEL.fullmatch, labels)):
        raise WebError(f"{shown(text)} names no public host: check its spelling.")
    return parts


def is_public(address: str) -> bool:
    """Tell whether an IP address is one that anybody on the internet may be reached at."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped
        if found in NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if found not in UNICAST:
            return False
    wrapping = any(found.version == network.version and found in network for network in WRAPPING)
    return found.is_global and not (found.is_multicast or found.is_reserved or wrapping)


def _follow(url, file, kinds, max_bytes, seconds, guard):
    """Ask, and ask again where a redirect leads, until something comes."""
    deadline = time.monotonic() + seconds
    parts = check(url, guard)
    for _ in range(MAX_REDIRECTS + 1):
        name = shown(str(parts))
        try:
            answer = _ask(parts, file, kinds, max_bytes, deadline, guard)
        except (httpcore.TimeoutException, _Late) as error:
            late = time.monotonic() >= deadline
            reason = f"took longer than {seconds:g} s" if late else "does not answer"
            raise WebError(f"{name} {reason}: try again later, or upload the file.") from error
        except (httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError, OSError) as error:
            raise WebError(f"{name} could not be fetched ({_reason(error)}).") from error
        if isinstance(answer, Fetched):
            return answer
        parts = _next(parts, answer, guard)
    raise WebError(f"{shown(url)} redirects more than {MAX_REDIRECTS} times: check the address.")


def _ask(parts, file, kinds, max_bytes, deadline, guard):
    """Ask one server: give what came, or where it redirects to."""
    name = shown(str(parts))
    target = httpcore.URL(
        scheme=parts.raw_scheme, host=parts.raw_host, port=parts.port, target=parts.raw_path
    )
    asked = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
    timeouts = dict.fromkeys(("connect", "read", "write", "pool"), PATIENCE)
    with (
        httpcore.ConnectionPool(
            ssl_context=guard.tls or ssl.create_default_context(cafile=_authorities()),
            network_backend=_Guarded(guard, parts, deadline),
        ) as pool,
        pool.stream("GET", target, headers=asked, extensions={"timeout": timeouts}) as response,
    ):
        headers = {key.lower().decode("ascii", "replace"): value for key, value in response.headers}
        headers = {key: value.decode("latin-1").strip() for key, value in headers.items()}
        if response.status in (301, 302, 303, 307, 308):
            return headers.get("location", "")
        if response.status != 200:
            advice = "try again later" if response.status >= 500 else "check the address"
            raise WebError(f"{name} answers with status {response.status}: {advice}.")
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        _check_kind(kind, kinds, name)
        announced = headers.get("content-length", "")
        _check_size(int(announced) if announced.isdecimal() else 0, max_bytes, name)
        file.seek(0)
        file.truncate()
        size = 0
        for piece in _plain(response.iter_stream(), headers.get("content-encoding", ""), name):
            size += len(piece)
            _check_size(size, max_bytes, name)
            file.write(piece)
        if not size:
            raise WebError(f"{name} gives nothing: check the address.")
        return Fetched(name, kind, size)


def _next(parts, location, guard):
    """Give the address that a redirect leads to, once it is one that we follow."""
    try:
        target = parts.join(location) if location and not ODD.search(location) else None
    except (httpx.InvalidURL, ValueError):
        target = None
    if target is None:
        raise WebError(f"{shown(str(parts))} redirects to nowhere: check the address.")
    try:
        return check(str(target.copy_with(fragment=None)), guard)
    except WebError as error:
        raise WebError(f"{shown(str(parts))} redirects, but {error}") from error


def _check_kind(kind, kinds, name):
    if kind and not kind.startswith(tuple(kinds)):
        if kind == "text/html":
            raise WebError(f"{name} is a web page: paste the address of the file itself.")
        raise WebError(f"{name} is {kind[:60]}, which is not what is asked for here.")


def _check_size(size, max_bytes, name):
    if size > max_bytes:
        raise WebError(f"{name} is larger than {max_bytes / MEGABYTE:,.0f} MB: take a smaller one.")


def _plain(pieces: Iterator[bytes], encoding: str, name: str) -> Iterator[bytes]:
    """Unpack what a server packed although it was asked not to, a bounded piece at a time."""
    if encoding.lower() in ("", "identity"):
        yield from pieces
        return
    if encoding.lower() not in ("gzip", "x-gzip"):
        raise WebError(f"{name} comes packed as '{encoding[:20]}', which is not read here.")
    unpack = zlib.decompressobj(wbits=31)
    try:
        for piece in pieces:
            while piece and not unpack.eof:
                yield unpack.decompress(piece, PIECE)
                piece = unpack.unconsumed_tail
    except zlib.error as error:
        raise WebError(f"{name} comes damaged ({error}).") from error
    if not unpack.eof:
        raise WebError(f"{name} ends before it is whole: try again later.")


class _Late(Exception):
    """The time for all of it is over."""


class _Guarded(httpcore.NetworkBackend):
    """Connects only to public addresses of the host, and never waits beyond the deadline."""

    def __init__(self, guard: Guard, parts: httpx.URL, deadline: float):
        self.guard, self.deadline = guard, deadline
        self.local = f"{_host(parts)}:{_port(parts)}" in guard.allow
        self.name = shown(str(parts))
        self.sockets = httpcore.SyncBackend()

    def connect_tcp(self, host, port, timeout=None, local_address=None, socket_options=None):
        error: Exception | None = None
        for address in self._addresses(host, port):
            try:
                patience = _left(self.deadline, timeout)
                made = self.sockets.connect_tcp(address, port, patience, None, socket_options)
                return _Stream(made, self.deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failed:
                error = failed
        raise error or httpcore.ConnectError("the host has no address")

    def _addresses(self, host, port):
        try:
            found = self.guard.resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise WebError(f"{self.name}: there is no such host; check the spelling.") from error
        fits = _is_loopback if self.local else is_public
        # One private address among public ones is a trap, not a choice.
        if not all(map(fits, found)):
            raise WebError(f"{self.name} leads into a private network, where nothing is fetched.")
        return found


class _Stream(httpcore.NetworkStream):
    """A connection on which each wait ends with the deadline."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: float):
        self.inner, self.deadline = inner, deadline

    def read(self, max_bytes, timeout=None):
        return self.inner.read(max_bytes, _left(self.deadline, timeout))

    def write(self, buffer, timeout=None):
        self.inner.write(buffer, _left(self.deadline, timeout))

    def close(self):
        self.inner.close()

    def start_tls(self, ssl_context, server_hostname=None, timeout=None):
        patience = _left(self.deadline, timeout)
        return _Stream(self.inner.start_tls(ssl_context, server_hostname, patience), self.deadline)

    def get_extra_info(self, info):
        return self.inner.get_extra_info(info)


def _left(deadline, timeout):
    left = deadline - time.monotonic()
    if left <= 0:
        raise _Late
    return min(left, PATIENCE if timeout is None else timeout)


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def _host(parts: httpx.URL) -> str:
    return parts.raw_host.decode("ascii").lower().removesuffix(".")


def _port(parts: httpx.URL) -> int:
    return parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)


def _authorities() -> str:
    import certifi

    return certifi.where()


def _reason(error):
    return (str(error) or type(error).__name__).rstrip(".")[:200]


def shown(url: str) -> str:
    """Give an address as a sentence may hold it."""
    shown = without_secrets(url)
    return shown if len(shown) <= 100 else f"{shown[:97]}..."
