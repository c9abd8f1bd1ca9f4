"""Archives of the Mozilla Data Collective, which gives out Common Voice, by its own client.

    fetch("cmd4nx3vb01ovmf07cmaakuz4")      the path of the archive, once it is here whole

MDC_API_KEY is the key. The archive stays under `downloads.folder()` and is not fetched again; a
download that broke off goes on where it was.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from fti.errors import SourceError, SourceUnreachable
from whisper.feeds import downloads

log = logging.getLogger(__name__)

KIND = "datacollective"
KEY = "MDC_API_KEY"
PLACE = "https://mozilladatacollective.com"
NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
RETRIES = 4  # in a row that bring nothing
PAUSE = 1.0  # seconds before the first of them, doubled each time
OR_FILE = "or give an archive of yours with --source PATH"


def fetch(dataset: str) -> Path:
    """Give the path of a dataset's archive, downloaded if it is not here yet.

    In: its id or its slug, as the address of its page ends. Raises SourceError, and
    SourceUnreachable where the network is the reason; UserError where the disk is too small.
    """
    from filelock import FileLock

    if not NAME.fullmatch(dataset):
        raise SourceError(f"'{dataset[:60]}' is no dataset: write datacollective:ID, of its page.")
    if not os.environ.get(KEY):
        raise SourceError(
            f"{dataset} needs a key: make one at {PLACE}, accept the dataset's terms there, and "
            f"set {KEY}; {OR_FILE}."
        )
    client = _client()
    with _explained(dataset):
        details = client.get_dataset_details(dataset)
        path = _path(dataset, details)
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name("lock")):
            if not path.exists():
                _download(client, details.id, path, int(details.sizeBytes or 0))
    return path


def _path(dataset, details):
    """Give where an archive goes, once what the service calls it names nothing elsewhere."""
    name = details.filename or ""
    if not NAME.fullmatch(details.id) or not NAME.fullmatch(name):
        raise SourceError(f"{dataset} has no archive of a usable name ('{name[:60]}'); {OR_FILE}.")
    return downloads.folder() / KIND / details.id / name


def _download(client, dataset, path, size):
    """Download until all is there, going on after what breaks off as long as more comes."""
    import requests
    from datacollective.errors import DownloadError

    part = path.with_name(path.name + ".part")  # as the client calls it
    downloads.check_room(path.parent, max(0, size - _size(part)), path.name)
    log.info("downloading %s, %.2f GB, to %s", path.name, size / downloads.GIGABYTE, path.parent)
    idle = 0
    while not path.exists():
        before = _size(part)
        try:
            with contextlib.redirect_stdout(sys.stderr):  # its progress bar
                client.download_dataset(dataset, str(path.parent), sys.stderr.isatty())
        except (DownloadError, requests.ConnectionError, requests.Timeout) as error:
            if isinstance(error.__cause__, KeyboardInterrupt):  # it makes an error of this too
                raise KeyboardInterrupt from error
            came = _size(part)
            if size and came >= size:
                part.unlink()  # it has something else at its end than the rest of the archive
            idle = 0 if before < came and part.exists() else idle + 1
            if idle > RETRIES:
                raise
            log.info("%s broke off after %.2f GB; going on", path.name, came / downloads.GIGABYTE)
            time.sleep(PAUSE * 2**idle)
    found = _size(path)
    if size and found != size:
        path.unlink()
        raise SourceError(f"{path.name} came with {found:,} bytes instead of {size:,}; try again.")


@contextmanager
def _explained(dataset):
    """Turn what the client and the service say into a sentence."""
    import requests
    from datacollective import errors

    try:
        yield
    except errors.AuthenticationError as error:
        raise SourceError(
            f"The key in {KEY} is not accepted: make a new one at {PLACE}."
        ) from error
    except errors.RateLimitError as error:
        reason = "the Data Collective takes no more requests for now; try again later"
        raise SourceUnreachable(f"{dataset}: {reason}, {OR_FILE}.") from error
    except errors.DownloadError as error:
        reason = f"the download broke off ({_short(error.__cause__)}); try again, and it goes on"
        raise SourceUnreachable(f"{dataset}: {reason}.") from error
    except requests.RequestException as error:
        reason = f"the Data Collective does not give it ({_short(error)}); try again later"
        raise SourceUnreachable(f"{dataset}: {reason}, {OR_FILE}.") from error
    except FileNotFoundError as error:
        reason = f"there is no such dataset at {PLACE}, or not any more"
        raise SourceError(f"{dataset}: {reason}; check its id, {OR_FILE}.") from error
    except PermissionError as error:
        reason = f"it is not given to you ({_short(error)}); accept its terms at {PLACE}"
        raise SourceError(f"{dataset}: {reason}, {OR_FILE}.") from error
    except OSError as error:
        reason = f"it cannot be written to {downloads.folder()} ({error.strerror or error})"
        raise SourceError(f"{dataset}: {reason}; free some space, {OR_FILE}.") from error
    except (RuntimeError, ValueError) as error:
        if isinstance(error, SourceError):
            raise
        reason = f"the answer of the Data Collective is not understood ({_short(error)})"
        raise SourceError(f"{dataset}: {reason}; {OR_FILE}.") from error


def _short(error):
    """Give what an error says, without its address."""
    import requests

    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        return "no connection"
    said = str(error).partition("\n")[0].rpartition(" — ")[2] or type(error).__name__
    return said[:150].rstrip(".")


def _size(path):
    return path.stat().st_size if path.exists() else 0


def _client():
    """Import the client, which else loads any file .env around it into the environment."""
    off = "PYTHON_DOTENV_DISABLED"
    before = os.environ.get(off)
    os.environ[off] = "1"
    try:
        import datacollective
    finally:
        if before is None:
            del os.environ[off]
        else:
            os.environ[off] = before
    logging.getLogger("datacollective").setLevel(logging.WARNING)
    return datacollective
