"""Download a file over HTTP(S): bounded in time and size, retried politely, kept on disk if asked.

    from fti import http
    kp = http.get("https://example.org/kp.json", cache=Path("cache"), fresh_for=3600)
    http.download("https://example.org/sales.csv.gz", Path("sales.csv.gz"))

Every failure is an `HttpError`: one sentence with the address (its query left out, because keys
travel there) and what to do.
"""

import hashlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fti.errors import UserError

log = logging.getLogger(__name__)

USER_AGENT = "fti-pipelines/0.1 (scheduled machine-learning pipelines; python-httpx)"
MEGABYTE = 1024 * 1024
GIGABYTE = 1024 * MEGABYTE
CONNECT_TIMEOUT = 10.0  # seconds
LONGEST_PAUSE = 30.0  # seconds between two attempts; a server that wants more ends the attempts
MAX_REDIRECTS = 5


class HttpError(UserError):
    """A download that did not work. `status` is the server's answer, None when there was none."""

    def __init__(self, message, *, status=None, passing=False, retry_after=None):
        super().__init__(message)
        self.status = status
        self.passing = passing  # it may well work a little later
        self.retry_after = retry_after  # seconds, as the server asked


@dataclass(frozen=True)
class CacheEntry:
    """What is written above a kept body: where it is from, when it came, how to ask for news."""

    url: str
    fetched_at: str
    checked_at: str
    sha256: str
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True)
class Request:
    """One download and its bounds; times in seconds."""

    url: str
    headers: Mapping[str, str]
    timeout: float
    total_timeout: float
    max_bytes: int
    redirects: int = MAX_REDIRECTS
    body: bytes | None = None  # sent with POST

    @property
    def name(self) -> str:
        return without_secrets(self.url)

    @property
    def method(self) -> str:
        return "GET" if self.body is None else "POST"


def get(
    url: str,
    *,
    timeout: float = 20.0,
    total_timeout: float = 300.0,
    max_bytes: int = 50 * MEGABYTE,
    retries: int = 3,
    backoff: float = 0.5,
    headers: Mapping[str, str] | None = None,
    redirects: int = MAX_REDIRECTS,
    cache: Path | None = None,
    fresh_for: float = 0.0,
    allow_stale: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> bytes:
    """Give the body found at `url`, decompressed, or raise HttpError.

    `timeout` bounds each wait for the server and `total_timeout` each attempt as a whole, in
    seconds. Lost connections, 429 and 5xx are tried `retries` times more, after about `backoff`,
    2 `backoff`, 4 `backoff`... seconds, or after what Retry-After says. With `redirects=0` what is
    asked, a key among the headers say, goes to no other host than the one in `url`.
    With a folder as `cache` a copy is kept: it is used unasked for `fresh_for` seconds, after that
    only if the server answers that nothing changed, or, with `allow_stale`, if there is no answer.
    """
    request = Request(url, dict(headers or {}), timeout, total_timeout, max_bytes, redirects)
    return _get(request, cache, fresh_for, allow_stale, retries, backoff, sleep)


def post(
    url: str,
    document: Any,
    *,
    timeout: float = 20.0,
    total_timeout: float = 300.0,
    max_bytes: int = 50 * MEGABYTE,
    retries: int = 3,
    backoff: float = 0.5,
    cache: Path | None = None,
    fresh_for: float = 0.0,
    sleep: Callable[[float], None] = time.sleep,
) -> bytes:
    """Give the answer to a `document` sent as JSON, or raise HttpError; bounds and cache as in get.

    Only for services that take their questions this way and change nothing: it is sent again where
    a connection is lost, and its answer is kept like a page.
    """
    body = json.dumps(document, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json"}
    request = Request(url, headers, timeout, total_timeout, max_bytes, body=body)
    return _get(request, cache, fresh_for, False, retries, backoff, sleep)


def download(
    url: str,
    path: Path,
    *,
    newer_than: datetime | None = None,
    timeout: float = 20.0,
    total_timeout: float = 3600.0,
    max_bytes: int = 2 * GIGABYTE,
    retries: int = 3,
    backoff: float = 0.5,
    headers: Mapping[str, str] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Write what is found at `url` to the file `path`, or raise HttpError; bounds as in `get`.

    The body goes to disk piece by piece, and the file is there, or replaced, only once it is whole.
    Out: True, or False and no file where the server says that nothing changed since `newer_than`.
    """
    _check_address(url)
    asked = {"User-Agent": USER_AGENT, **(headers or {})}
    if newer_than is not None:
        asked["If-Modified-Since"] = format_datetime(newer_than.astimezone(UTC), usegmt=True)
    request = Request(url, asked, timeout, total_timeout, max_bytes)
    part = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
        with os.fdopen(descriptor, "wb") as file:
            _, whole = _with_retries(
                lambda: _attempt(request, lambda chunks: _write(chunks, file)),
                request.name,
                retries,
                backoff,
                sleep,
            )
        if whole:
            Path(part).replace(path)
        return bool(whole)
    except OSError as error:
        advice = "free some space or name another place"
        raise HttpError(f"{path} cannot be written ({error.strerror}): {advice}.") from error
    finally:
        if part:
            Path(part).unlink(missing_ok=True)


def fetched_at(url: str, cache: Path, headers: Mapping[str, str] | None = None) -> datetime | None:
    """Tell when (UTC) the copy of `url` kept in the folder `cache` was downloaded; None without."""
    entry, _ = _read_entry(_cache_path(Request(url, headers or {}, 0, 0, 0), cache))
    return datetime.fromisoformat(entry.fetched_at) if entry else None


def without_secrets(url: str) -> str:
    """Give the address as it may be shown: no user, no password, and `...` for the query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "the address given"
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}{'?...' if parts.query else ''}"


def _write(chunks, file):
    """Write the pieces from the beginning of the file; give True."""
    file.seek(0)
    file.truncate()
    for chunk in chunks:
        file.write(chunk)
    return True


def _get(request, cache, fresh_for, allow_stale, retries, backoff, sleep):
    """Give the kept body while it is fresh, else what the server answers."""
    _check_address(request.url)
    path = _cache_path(request, cache)
    entry, body = _read_entry(path)
    if entry and _age(entry.checked_at) < fresh_for:
        return body
    try:
        return _download(request, path, entry, body, retries, backoff, sleep)
    except HttpError as error:
        if not (allow_stale and entry):
            raise
        log.warning("%s; using the copy of %s UTC", error, entry.fetched_at[:16])
        return body


def _check_address(url):
    try:
        parts = urlsplit(url)
        usable = parts.scheme.lower() in ("http", "https") and parts.hostname
    except ValueError:
        usable = False
    if not usable:
        raise HttpError(f"{without_secrets(url)} is not an http(s) address: check its spelling.")


def _download(request, path, entry, body, retries, backoff, sleep):
    """Ask the server, with retries; keep what it answers and return it."""
    headers = {"User-Agent": USER_AGENT, **request.headers, **_conditions(entry)}
    request = replace(request, headers=headers)
    response_headers, fresh = _with_retries(
        lambda: _attempt(request, b"".join), request.name, retries, backoff, sleep
    )
    now = datetime.now(UTC).isoformat(timespec="seconds")
    if fresh is None:
        if entry is None:
            raise HttpError(f"{request.name} answers 'not modified' to a first request: check it.")
        _write_entry(path, replace(entry, checked_at=now), body)
        return body
    kept = CacheEntry(
        url=request.name,
        fetched_at=now,
        checked_at=now,
        sha256=hashlib.sha256(fresh).hexdigest(),
        etag=response_headers.get("ETag"),
        last_modified=response_headers.get("Last-Modified"),
    )
    _write_entry(path, kept, fresh)
    return fresh


def _conditions(entry):
    """Ask only for what is newer than the kept copy."""
    if entry is None:
        return {}
    asked = {"If-None-Match": entry.etag, "If-Modified-Since": entry.last_modified}
    return {name: value for name, value in asked.items() if value}


def _with_retries(attempt, name, retries, backoff, sleep):
    import tenacity

    waits = tenacity.wait_exponential(multiplier=backoff, max=LONGEST_PAUSE)
    jitter = tenacity.wait_random(0, backoff)

    def pause(state):
        asked = state.outcome.exception().retry_after
        return asked if asked is not None else min(waits(state) + jitter(state), LONGEST_PAUSE)

    def say(state):
        log.info("%s Trying again in %.1f s.", state.outcome.exception(), state.next_action.sleep)

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: getattr(error, "passing", False)),
        stop=tenacity.stop_after_attempt(retries + 1),
        wait=pause,
        before_sleep=say,
        sleep=sleep,
        reraise=True,
    )
    return retrying(attempt)


def _attempt(request, read: Callable[[Iterator[bytes]], Any]):
    """Ask once; give the headers and what `read` makes of the body, None for a 304."""
    import httpx

    # httpx logs whole addresses at level INFO, and with them the keys in their queries.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    deadline = time.monotonic() + request.total_timeout
    timeout = httpx.Timeout(request.timeout, connect=min(request.timeout, CONNECT_TIMEOUT))
    try:
        with (
            httpx.Client(
                timeout=timeout,
                follow_redirects=request.redirects > 0,
                max_redirects=request.redirects,
            ) as client,
            client.stream(
                request.method, request.url, headers=request.headers, content=request.body
            ) as response,
        ):
            if response.status_code == httpx.codes.NOT_MODIFIED:
                return response.headers, None
            _check_status(response, request.name)
            return response.headers, read(_chunks(response, request, deadline))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _as_http_error(error, request) from error


def _check_status(response, name):
    status = response.status_code
    if response.is_success:
        return
    if status == 429 or status >= 500:
        retry_after = _seconds_to_wait(response.headers.get("Retry-After"))
        message = f"{name} is out of service for now (status {status}): try again later."
        patient = retry_after is None or retry_after <= LONGEST_PAUSE
        raise HttpError(message, status=status, passing=patient, retry_after=retry_after)
    advice = "check the key or the account" if status in (401, 403, 407) else "check the address"
    if response.is_redirect:
        advice = "it leads elsewhere, where it is not followed; check the address"
    raise HttpError(f"{name} answers with status {status}: {advice}.", status=status)


def _seconds_to_wait(retry_after):
    """Read Retry-After, which holds seconds or a date; None when absent or not understood."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)


def _chunks(response, request, deadline):
    """Give the body piece by piece, as long as it keeps within its bounds."""
    announced = response.headers.get("Content-Length", "")
    size = int(announced) if announced.isdecimal() else 0
    _check_size(size, request)
    size = 0
    for chunk in response.iter_bytes():
        size += len(chunk)
        _check_size(size, request)
        if time.monotonic() > deadline:
            seconds = f"{request.total_timeout:g} s"
            raise HttpError(f"{request.name} took longer than {seconds}: raise total_timeout.")
        yield chunk


def _check_size(size, request):
    if size > request.max_bytes:
        limit = f"{request.max_bytes:,} bytes"
        raise HttpError(
            f"{request.name} is larger than {limit}: check the address or raise max_bytes."
        )


def _as_http_error(error, request):
    """Put an httpx exception into one sentence."""
    import httpx

    name = request.name
    if isinstance(error, httpx.TooManyRedirects):
        return HttpError(
            f"{name} redirects more than {request.redirects} times: check the address."
        )
    if isinstance(error, httpx.UnsupportedProtocol):
        return HttpError(f"{name} leads to an address that is not http(s): check the address.")
    if isinstance(error, httpx.InvalidURL):
        return HttpError(f"{name} is not an http(s) address: check its spelling.")
    if isinstance(error, httpx.TimeoutException):
        return HttpError(
            f"{name} did not answer within {request.timeout:g} s: try again later.", passing=True
        )
    passing = isinstance(error, httpx.TransportError) and "CERTIFICATE" not in str(error)
    reason = str(error) or type(error).__name__
    return HttpError(f"{name} could not be reached ({reason}): check the network.", passing=passing)


def _cache_path(request, cache):
    if cache is None:
        return None
    asked = [request.url, sorted(request.headers.items())]
    named = json.dumps(asked if request.body is None else [*asked, request.body.decode()])
    return Path(cache) / f"{hashlib.sha256(named.encode('utf-8', 'replace')).hexdigest()[:32]}.http"


def _age(moment):
    """Seconds since the ISO moment; a moment in the future counts as long ago."""
    seconds = (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
    return seconds if seconds >= 0 else float("inf")


def _read_entry(path):
    """Give the kept entry and its body; (None, b"") when there is none or it is damaged."""
    try:
        head, _, body = path.read_bytes().partition(b"\n") if path else (b"", b"", b"")
        entry = CacheEntry(**json.loads(head))
        datetime.fromisoformat(entry.fetched_at), datetime.fromisoformat(entry.checked_at)
    except (OSError, ValueError, TypeError):
        return None, b""
    if hashlib.sha256(body).hexdigest() != entry.sha256:
        return None, b""
    return entry, body


def _write_entry(path, entry, body):
    """Replace the kept copy in one step; a folder that cannot be written costs only the copy."""
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(json.dumps(asdict(entry)).encode() + b"\n" + body)
            Path(temporary).replace(path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        log.warning("no copy of %s was kept: %s", entry.url, error)
