"""Audio datasets of the Hugging Face Hub, as Parquet, by its own client.

    feed("fleurs", "sv_se", None)                    google/fleurs
    feed("covost2", "sv-SE_en", None)                fixie-ai/covost2
    feed("hub", "owner/name:config", "sv", columns)  any other; one of several configs

Parquet files come from the repository or, where it has none, from the Hub's own conversion. They
are downloaded one by one into the client's cache (HF_HOME), where those that are whole stay, and
read from there. HF_ENDPOINT and HF_TOKEN count as everywhere.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from fti import console
from fti.errors import SourceError, SourceUnreachable, UserError
from whisper.feeds import downloads, names, parquet
from whisper.feeds.parquet import ENGLISH, Columns, Parquet

log = logging.getLogger(__name__)

FLEURS, COVOST2 = "google/fleurs", "fixie-ai/covost2"
KNOWN = {"fleurs": (FLEURS, "sv_se"), "covost2": (COVOST2, "sv-SE_en")}  # with a config, as example
KINDS = (*KNOWN, "hub")
CONVERTED = "refs/convert/parquet"  # the branch in which the Hub has each dataset as Parquet
CACHE = "HF_HOME"
TIMEOUT = 20.0  # seconds
ATTEMPTS = 4
PAUSE = 0.5  # seconds before the second, doubled each time
OR_FILE = "or give files of yours with --source PATH"


def feed(
    kind: str,
    said: str,
    language: str | None,
    columns: Columns | None = None,
    translate: bool = False,
) -> Parquet:
    """Download what `kind:said` names, where it is not here yet, and open it.

    In: one of KINDS and what it calls its data; the language, needed where the config does not say
    it; `columns` of what is not known; `translate` to give FLEURS the English sentences of the same
    number. Raises SourceError, SourceUnreachable where the network is the reason, UserError where
    the disk is too small.
    """
    from huggingface_hub import HfApi

    name, config = _named(kind, said)
    with _explained(name):
        api = HfApi()
        commit, files = _listed(api, name)
        home = _home(name, config, files)
        language = _language(name, PurePosixPath(home).name, language)
        wanted = {path: size for path, size in files.items() if _home_of(path) == home}
        root = _downloaded(api, name, commit, wanted)
        english = {}
        if translate and name == FLEURS and language != "en":
            english = _sentences(api, commit, [path for path in files if _home_of(path) == ENGLISH])
    return parquet.feed(root / home, language, columns, corpus=name, english=english)


def _named(kind, said):
    """Give the name of the dataset, and the config that was asked for or ""."""
    if kind in KNOWN:
        name, example = KNOWN[kind]
        if not said:
            raise UserError(f"'{kind}:' names no language: write it as {kind}:{example}.")
        return name, said
    name, _, config = said.partition(":")
    if name.count("/") != 1 or not all(name.split("/")):
        raise UserError(f"'hub:{said}' names no dataset: write hub:OWNER/NAME, or with :CONFIG.")
    return name, config


def _listed(api, name):
    """Give the commit, and the Parquet files in it with their sizes in bytes."""
    from huggingface_hub import RepoFile

    for branch in (CONVERTED,) if name == FLEURS else ("main", CONVERTED):
        commit = _asked(api.dataset_info, name, revision=branch, timeout=TIMEOUT).sha
        tree = api.list_repo_tree(name, recursive=True, revision=commit, repo_type="dataset")
        there = (one for one in tree if isinstance(one, RepoFile))
        files = {one.path: one.size for one in there if one.path.endswith(".parquet")}
        if files:
            return commit, files
    raise SourceError(f"{name} has no Parquet files on the Hub; {OR_FILE}.")


def _home(name, config, files):
    """Give the folder of a config, or of the only one."""
    homes = sorted({_home_of(path) for path in files})
    fitting = [home for home in homes if config in ("", home, *PurePosixPath(home).parts)]
    if len(fitting) != 1:
        there = ", ".join(home or "(none)" for home in (fitting or homes)[:12])
        there += ", ..." if len(fitting or homes) > 12 else ""
        asked = f"'{config}' was asked for" if config else f"add one, as hub:{name}:{homes[-1]}"
        raise SourceError(f"{name} has the configs {there}; {asked}.")
    return fitting[0]


def _home_of(path):
    """Give the folder of a file, without those that only tell its split."""
    *folders, _ = PurePosixPath(path).parts
    while folders and names.is_split(folders[-1]):
        folders.pop()
    return "/".join(folders)


def _language(name, config, language):
    """Give the language that was said, if the config does not say another, else the config's."""
    told = names.language(config)
    if language and told and language != told:
        raise UserError(f"{name}: {config} is in '{told}'; '{language}' was asked for.")
    return language or told or None


def _downloaded(api, name, commit, files):
    """Give the folder of the dataset, once the files are in it."""
    from huggingface_hub import constants, try_to_load_from_cache

    kind = {"revision": commit, "repo_type": "dataset"}
    missing = [
        size
        for path, size in files.items()
        if not isinstance(try_to_load_from_cache(name, path, **kind), str)
    ]
    if missing:
        place, size = Path(constants.HF_HUB_CACHE), sum(missing)
        downloads.check_room(place, size, name, CACHE)
        shown = f"{len(missing)} files, {size / downloads.GIGABYTE:.2f} GB"
        log.info("downloading %s of %s to %s", shown, name, place)
    for path in sorted(files):
        local = Path(api.hf_hub_download(name, path, **kind))
    return local.parents[len(PurePosixPath(path).parts) - 1]


def _sentences(api, commit, paths):
    """Give FLEURS' English sentences by their number; nothing else of the files travels."""
    from huggingface_hub import HfFileSystem
    from pyarrow.parquet import ParquetFile

    hub = HfFileSystem(endpoint=api.endpoint)
    columns = [parquet.FLEURS.sentence, parquet.FLEURS.text]
    found: dict[str, str] = {}
    for path in console.progress(sorted(paths), len(paths), "English sentences"):
        with hub.open(f"datasets/{FLEURS}@{commit}/{path}", cache_type="none") as file:
            table = ParquetFile(file, pre_buffer=True).read(columns).to_pydict()
        found |= zip(map(str, table[columns[0]]), table[columns[1]], strict=True)
    return found


def _asked(ask, *arguments, **options):
    """Ask, and again where the server may only just be busy; the client's other calls do that."""
    import tenacity

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_passing),
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=tenacity.wait_exponential(PAUSE),
        reraise=True,
    )
    return retrying(ask, *arguments, **options)


def _passing(error):
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError):
        return error.response.status_code == 429 or error.response.status_code >= 500
    return isinstance(error, httpx2.TimeoutException)


@contextmanager
def _explained(name):
    """Turn what the client and the Hub say into a sentence."""
    import httpx2
    from huggingface_hub import errors

    try:
        yield
    except UserError:
        raise
    except errors.OfflineModeIsEnabled as error:
        reason = "HF_HUB_OFFLINE is set, so the Hub is not asked; unset it"
        raise SourceUnreachable(f"{name}: {reason}, {OR_FILE}.") from error
    except errors.GatedRepoError as error:
        reason = "it is given to those who accept its terms on the Hub; do so and set HF_TOKEN"
        raise SourceError(f"{name}: {reason}, {OR_FILE}.") from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        reason = "the Hub has no such dataset, or shows it to others only"
        raise SourceError(f"{name}: {reason}; check its name, set HF_TOKEN, {OR_FILE}.") from error
    except (errors.RevisionNotFoundError, errors.EntryNotFoundError) as error:
        if isinstance(error, errors.LocalEntryNotFoundError):
            raise _unreachable(name, error.__cause__ or error) from error
        reason = "the Hub has it neither as Parquet nor converted to it"
        raise SourceError(f"{name}: {reason}; {OR_FILE}.") from error
    except (httpx2.HTTPError, errors.XetDownloadError) as error:
        raise _unreachable(name, error) from error
    except OSError as error:
        reason = f"it cannot be kept ({error.strerror or error})"
        raise SourceError(f"{name}: {reason}; free some space, or set {CACHE}.") from error


def _unreachable(name, error):
    reason = str(error).partition("\n")[0].rstrip(".")[:150] or type(error).__name__
    return SourceUnreachable(
        f"{name}: the Hub does not give it ({reason}); try again later, {OR_FILE}."
    )
