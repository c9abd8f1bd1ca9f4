"""The real Hopsworks login: explicit in everything, never a prompt, never a wait without end.

Left to itself the Hopsworks client asks for a missing key or project on the terminal, takes any
`.hw_api_key` file it finds, does not check the server's certificate, and waits for ever for a
server that went silent. So all of it is said here, from the environment (see `.env.example`), and
a look at the server before the client is imported turns what usually goes wrong into one sentence.

Only `fti/projects.py` and `python -m fti doctor` use this module; no other imports `hopsworks`.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
import logging
import os
import re
import shutil
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from fti.errors import UserError
from fti.projects import announce

log = logging.getLogger(__name__)

DEFAULT_HOST = "eu-west.cloud.hopsworks.ai"  # the client's own default
DEFAULT_TIMEOUT = 120.0  # seconds; a loaded cluster may take one minute for an answer
CONNECT_TIMEOUT = 10.0  # seconds
QUERY_PORT = 5005  # fixed in the client; reads of feature groups go there
FORMATS = ("DELTA", "HUDI", "ICEBERG", "NONE")
INSTALL = "pip install -r requirements/<use case>-hopsworks.txt"
CANNOT_WRITE = "Failed to write to delta table"  # how the client begins to say so
ATTEMPTS, PAUSE = 3, 1.0  # how often a request is sent, and the seconds between
OVERLOADED = (429, 503)  # the request was not looked at
GATEWAY = (502, 504)  # it may have been
QUERY = ["featurestores", "query"]  # ends the path of a PUT that changes nothing


class HopsworksError(UserError):
    """Hopsworks cannot be used as it is set up; the message says what to do about it."""


@dataclass(frozen=True)
class Settings:
    """Where Hopsworks is and how to talk to it, as the environment says."""

    key: str = field(repr=False)
    project: str | None = None
    host: str = DEFAULT_HOST
    port: int = 443
    verification: bool = True
    trust_store: str | None = None
    cert_folder: str | None = None
    timeout: float = DEFAULT_TIMEOUT
    offline_format: str = "DELTA"
    online: bool = False

    @property
    def where(self) -> str:
        """Host and port as one."""
        return f"{self.host}:{self.port}"

    @property
    def group_defaults(self) -> dict[str, Any]:
        """What is given to new feature groups that do not say it themselves."""
        defaults: dict[str, Any] = {"online_enabled": True} if self.online else {}
        if self.offline_format != "DELTA":  # which is the client's own default
            defaults["time_travel_format"] = self.offline_format
        return defaults


def login() -> Any:
    """Give the Hopsworks project that the environment names; raise HopsworksError."""
    settings = read_settings()
    installed = client_version()
    check_versions(installed, backend_version(settings))
    check_project(settings)
    project = _bound_reading(with_group_defaults(_client_login(settings), settings), settings)
    announce(f"Hopsworks project {project.name} at {settings.where} (client {installed})")
    return project


# --- settings -----------------------------------------------------------------------------------


def read_settings() -> Settings:
    """Read the HOPSWORKS_... variables; raise HopsworksError for one that is missing or wrong."""
    if os.environ.get("REST_ENDPOINT"):
        raise HopsworksError(
            "REST_ENDPOINT is set, with which the Hopsworks client ignores HOPSWORKS_HOST, "
            "HOPSWORKS_PROJECT and HOPSWORKS_API_KEY: unset it."
        )
    key = _variable("API_KEY")
    if key is None:
        raise HopsworksError(
            "HOPSWORKS_API_KEY is not set: set it to a key made under Account settings > API in "
            "Hopsworks, or set FTI_BACKEND=embedded to run without Hopsworks."
        )
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise HopsworksError(
            "HOPSWORKS_API_KEY holds characters that no key has: copy it again from Hopsworks."
        )
    trust_store = _variable("TRUST_STORE_PATH")
    if trust_store and not Path(trust_store).is_file():
        raise HopsworksError(
            f"HOPSWORKS_TRUST_STORE_PATH is '{trust_store}', where no file is: set it to the "
            "certificate of your Hopsworks (PEM), or leave it out."
        )
    return Settings(
        key=key,
        project=_variable("PROJECT"),
        host=_host(_variable("HOST") or DEFAULT_HOST),
        port=int(_number("PORT", 443, lambda port: port == int(port) and 0 < port < 65536)),
        verification=_flag("HOSTNAME_VERIFICATION", True),
        trust_store=trust_store,
        cert_folder=_variable("CERT_FOLDER"),
        timeout=_number("TIMEOUT", DEFAULT_TIMEOUT, lambda seconds: 0 < seconds <= 86400),
        offline_format=_one_of("OFFLINE_FORMAT", FORMATS),
        online=_flag("ONLINE_ENABLED", False),
    )


def _variable(name: str) -> str | None:
    return os.environ.get(f"HOPSWORKS_{name}", "").strip() or None


def _wrong(name: str, expected: str) -> HopsworksError:
    return HopsworksError(f"HOPSWORKS_{name} is '{_variable(name)}': set it to {expected}.")


def _host(host: str) -> str:
    bare = re.sub(r"^\w+://", "", host).split("/")[0].split(":")[0]
    if host != bare or not re.fullmatch(r"[\w.-]+", host, re.ASCII):
        raise _wrong("HOST", f"the bare name of the host, such as {bare or DEFAULT_HOST}")
    return host


def _number(name: str, default: float, allowed: Callable[[float], bool]) -> float:
    try:
        number = float(_variable(name) or default)
        if allowed(number):
            return number
    except ValueError:
        pass
    raise _wrong(name, f"a number, such as {default:g}")


def _flag(name: str, default: bool) -> bool:
    text = (_variable(name) or str(default)).lower()
    if text in ("true", "1", "y", "yes"):  # the words the client knows
        return True
    if text in ("false", "0", "n", "no"):
        return False
    raise _wrong(name, "true or false")


def _one_of(name: str, choices: tuple[str, ...]) -> str:
    chosen = (_variable(name) or choices[0]).upper()
    if chosen not in choices:
        raise _wrong(name, f"one of {', '.join(choices)}")
    return chosen


# --- a look at the server, before the client is imported ----------------------------------------


def client_version() -> str:
    """Give the version of the installed Hopsworks client; raise HopsworksError without one."""
    try:
        return metadata.version("hopsworks")
    except metadata.PackageNotFoundError:
        raise HopsworksError(
            f"The Hopsworks client is not installed here: {INSTALL} (in an environment of its "
            "own), or set FTI_BACKEND=embedded to run without Hopsworks."
        ) from None


def backend_version(settings: Settings) -> str | None:
    """Give the version of the server, None when it does not say; raise HopsworksError."""
    versions = _ask(settings, "variables/versions")
    if not isinstance(versions, list):
        raise HopsworksError(f"{settings.where} answers, but not as Hopsworks does: {_CHECK_HOST}.")
    known = {entry["software"]: entry["version"] for entry in versions if "software" in entry}
    return known.get("hopsworks")


def check_versions(client: str, backend: str | None) -> None:
    """Raise HopsworksError unless client and server agree in major and minor version."""
    ours, theirs = _minor(client), _minor(backend or "")
    if ours and theirs and ours != theirs:
        raise HopsworksError(
            f"The Hopsworks client is {client} and the server {backend}, but major and minor "
            f"version must agree: pip install hopsworks=={theirs}.*"
        )


def check_project(settings: Settings) -> None:
    """Raise HopsworksError unless the key opens the project that is named."""
    if settings.project is None:
        names = sorted(team["project"]["name"] for team in _ask(settings, "project") or [])
        known = f"one of {', '.join(names)}" if names else "a project made in Hopsworks before"
        raise HopsworksError(f"HOPSWORKS_PROJECT is not set: set it to {known}.")
    _ask(settings, f"project/getProjectInfo/{settings.project}")


def query_service(settings: Settings) -> tuple[str, int]:
    """Give host and port that reads of feature groups go to."""
    name = "variables/loadbalancer_external_domain_feature_query"
    try:
        host = _ask(settings, name)["successMessage"]
    except (HopsworksError, KeyError, TypeError):
        host = None
    return host or settings.host, QUERY_PORT


def can_connect(host: str, port: int, timeout: float) -> bool:
    """Tell whether something listens there."""
    try:
        with socket.create_connection((host, port), timeout=timeout):
            return True
    except OSError:
        return False


_CHECK_HOST = "check HOPSWORKS_HOST and HOPSWORKS_PORT"


def _ask(settings: Settings, path: str) -> Any:
    """GET from the REST API; give the JSON or raise HopsworksError saying what is wrong."""
    import httpx

    url = httpx.URL(f"https://{settings.where}").copy_with(path=f"/hopsworks-api/api/{path}")
    timeout = httpx.Timeout(settings.timeout, connect=min(settings.timeout, CONNECT_TIMEOUT))
    headers = {"Authorization": f"ApiKey {settings.key}"}
    try:
        answer = httpx.get(url, headers=headers, timeout=timeout, verify=_verify(settings))
    except httpx.TimeoutException:
        raise HopsworksError(
            f"Hopsworks at {settings.where} did not answer in time (HOPSWORKS_TIMEOUT is "
            f"{settings.timeout:g} seconds): {_CHECK_HOST}, and that this network lets you there."
        ) from None
    except httpx.TransportError as error:
        raise HopsworksError(_unreachable(settings, error)) from error
    if answer.is_success:
        with contextlib.suppress(ValueError):
            return answer.json()
    raise HopsworksError(_refused(settings, path, answer))


def _verify(settings: Settings) -> ssl.SSLContext | bool:
    if not settings.verification:
        return False
    if settings.trust_store:
        return ssl.create_default_context(cafile=settings.trust_store)
    return True


def _unreachable(settings: Settings, error: BaseException) -> str:
    causes = list(_chain(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return (
            f"The certificate of {settings.where} is not trusted: set HOPSWORKS_TRUST_STORE_PATH "
            "to the certificate of your Hopsworks (PEM), or, in a network you trust, "
            "HOPSWORKS_HOSTNAME_VERIFICATION=false."
        )
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return f"There is no host {settings.host}: check HOPSWORKS_HOST and your network."
    return f"Hopsworks at {settings.where} cannot be reached ({error}): {_CHECK_HOST}."


def _refused(settings: Settings, path: str, answer: Any) -> str:
    status = answer.status_code
    if status == 401:
        return (
            f"Hopsworks at {settings.where} refuses the key: make a new one under Account "
            "settings > API and set HOPSWORKS_API_KEY to it."
        )
    if status == 403:
        return (
            f"The key may not read {path} at {settings.where}: make one with all scopes, as a "
            "member of the project, and set HOPSWORKS_API_KEY to it."
        )
    if status >= 500:
        return f"Hopsworks at {settings.where} is in trouble (HTTP {status}): try again later."
    if path.startswith("project/getProjectInfo/") and not answer.is_success:
        return (
            f"There is no project '{settings.project}' for this key at {settings.where}: check "
            "HOPSWORKS_PROJECT."
        )
    return f"{settings.where} answers, but not as Hopsworks does (HTTP {status}): {_CHECK_HOST}."


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _minor(version: str) -> str | None:
    found = re.match(r"\d+\.\d+", version)
    return found[0] if found else None


# --- the client ---------------------------------------------------------------------------------


def _client_login(settings: Settings) -> Any:
    try:
        import hopsworks

        _bound_waiting(settings)
    except ImportError as error:
        raise HopsworksError(
            f"The Hopsworks client cannot be imported ({error}): {INSTALL}, in an environment of "
            "its own."
        ) from error
    # The client's own default is one folder for all logins of a user, which each of them empties
    # at its end; this one is its own, and the client removes it then.
    folder = settings.cert_folder or tempfile.mkdtemp(prefix="hopsworks-")
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # its greeting; ours is a log line
            return hopsworks.login(
                host=settings.host,
                port=settings.port,
                project=settings.project,
                api_key_value=settings.key,  # given, it keeps the client from looking for key files
                engine="python",
                hostname_verification=settings.verification,
                trust_store_path=settings.trust_store,
                cert_folder=folder,
            )
    except Exception as error:
        if not settings.cert_folder:
            shutil.rmtree(folder, ignore_errors=True)
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise HopsworksError(
            f"The login at {settings.where} failed ({reason}): `python -m fti doctor` looks at "
            "what it needs."
        ) from error


def _bound_waiting(settings: Settings) -> None:
    """Give each request of the client a timeout, unless it brings its own, and some more tries.

    All its requests pass through `_send_request(timeout=None)`, and None is for ever. A default
    socket timeout would not help: urllib3 sets None on the socket itself.
    """
    from hopsworks_common.client.base import Client

    unbounded = getattr(Client._send_request, "unbounded", Client._send_request)
    limits = (min(settings.timeout, CONNECT_TIMEOUT), settings.timeout)

    @functools.wraps(unbounded)
    def send_request(self: Any, method: str, path: list[Any], *args: Any, **options: Any) -> Any:
        options = {"timeout": limits, **options}
        return _retrying(method, path)(unbounded, self, method, path, *args, **options)

    send_request.unbounded = unbounded
    Client._send_request = send_request


def _retrying(method: str, path: list[Any]) -> Any:
    from tenacity import (
        Retrying,
        before_sleep_log,
        retry_if_exception,
        stop_after_attempt,
        wait_fixed,
    )

    return Retrying(
        retry=retry_if_exception(lambda error: may_send_again(error, method, path)),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_fixed(PAUSE),
        before_sleep=before_sleep_log(log, logging.WARNING),
        reraise=True,
    )


def may_send_again(error: BaseException, method: str, path: list[Any]) -> bool:
    """Tell whether a request that failed may be sent again: only where that cannot do harm.

    A server that did not answer in time is not asked again, so that the timeout bounds the wait.
    """
    status = _status(error)
    if status in OVERLOADED:
        return True
    changes_nothing = method == "GET" or path[-2:] == QUERY
    broken = _is_of_requests(error) and not _is_timeout(error)
    return changes_nothing and (status in GATEWAY or broken)


def trouble(error: BaseException) -> str | None:
    """Say in one sentence why Hopsworks could not be used in the middle of a run, or None."""
    for cause in _chain(error):
        status = _status(cause) or 0
        if _is_timeout(cause):
            return f"Hopsworks did not answer within HOPSWORKS_TIMEOUT: {_RUN_AGAIN}."
        if status >= 500 and status != 501:
            return f"Hopsworks is in trouble (HTTP {status}): {_RUN_AGAIN}."
        if _is_of_requests(cause) or type(cause).__name__ == "FlightUnavailableError":
            return f"The connection to Hopsworks broke: {_RUN_AGAIN}."
    return None


_RUN_AGAIN = "run it again later, which completes what this run left undone"


def _status(error: BaseException) -> int | None:
    """Give the HTTP status that the client reports by an error, if it is such a one."""
    if type(error).__name__ != "RestAPIError":
        return None
    return getattr(getattr(error, "response", None), "status_code", None)


def _is_of_requests(error: BaseException) -> bool:
    return type(error).__module__.startswith("requests.")


def _is_timeout(error: BaseException) -> bool:
    if type(error).__name__ == "FlightTimedOutError":
        return True
    return _is_of_requests(error) and type(error).__name__.endswith("Timeout")


def _bound_reading(project: Any, settings: Settings) -> Any:
    """Make reads of a project's feature store end in time: the client would wait 15 minutes.

    That is set when a feature store is asked for, because importing what reads takes seconds.
    """
    get_feature_store = project.get_feature_store

    @functools.wraps(get_feature_store)
    def get_bounded(*args: Any, **options: Any) -> Any:
        from hsfs.core.arrow_flight_client import ArrowFlightClient

        ArrowFlightClient.DEFAULT_TIMEOUT_SECONDS = settings.timeout
        # It logs the traceback of each error that it raises.
        logging.getLogger(ArrowFlightClient.__module__).setLevel(logging.CRITICAL)
        return get_feature_store(*args, **options)

    project.get_feature_store = get_bounded
    return project


def with_group_defaults(project: Any, settings: Settings) -> Any:
    """Make a project's feature stores apply HOPSWORKS_OFFLINE_FORMAT and ..._ONLINE_ENABLED.

    Pipelines then stay plain: `get_or_create_feature_group(name=..., version=1, ...)` works on
    clusters that take Delta writes from outside and on those that do not. What a call says itself
    wins. An insert that fails because the cluster is of the other kind says which setting to
    change. All of it is set on these instances: the client's classes stay as they are.
    """
    get_feature_store = project.get_feature_store

    @functools.wraps(get_feature_store)
    def get_with_defaults(*args: Any, **options: Any) -> Any:
        store = get_feature_store(*args, **options)
        for name in ("create_feature_group", "get_or_create_feature_group"):
            setattr(store, name, _giving(getattr(store, name), settings.group_defaults))
        for name in ("get_feature_group", "get_feature_groups"):
            setattr(store, name, _giving(getattr(store, name), {}))
        return store

    project.get_feature_store = get_with_defaults
    return project


def _giving(method: Callable[..., Any], defaults: dict[str, Any]) -> Callable[..., Any]:
    """Wrap a method that gives feature groups: with defaults, and with inserts that explain."""

    @functools.wraps(method)
    def give(*args: Any, **options: Any) -> Any:
        said = inspect.signature(method).bind_partial(*args, **options).arguments
        unsaid = {name: value for name, value in defaults.items() if name not in said}
        found = method(*args, **options, **unsaid)
        for group in found if isinstance(found, list) else [found]:
            if group is not None:
                group.insert = _explaining(group.insert, group)
        return found

    return give


def _explaining(insert: Callable[..., Any], group: Any) -> Callable[..., Any]:
    @functools.wraps(insert)
    def explained(*args: Any, **options: Any) -> Any:
        try:
            return insert(*args, **options)
        except Exception as error:
            if any(str(cause).startswith(CANNOT_WRITE) for cause in _chain(error)):
                raise HopsworksError(
                    f"This Hopsworks takes no Delta writes from outside, so feature group "
                    f"{group.name} got no rows: set HOPSWORKS_OFFLINE_FORMAT=HUDI, and delete the "
                    f"group's version {group.version} in Hopsworks if it is empty, because it "
                    "keeps the format it was made with."
                ) from error
            raise

    return explained
