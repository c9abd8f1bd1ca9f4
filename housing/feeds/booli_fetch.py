"""The newest sales on Booli's result pages, one request at a time, for those who may fetch them.

    BOOLI_CONTACT=you@example.org python -m housing.sources --source booli:1,2

Off unless `--source booli:<areaIds>` asks for it. The terms of the site are yours to respect, and
this was never run against the live site. It says who asks (BOOLI_CONTACT), reads robots.txt first
and obeys it, waits between requests, reads at most MAX_PAGES pages, and ends with one sentence at a
challenge, a refusal (403), a limit (429) or a redirect: it repeats none of these and goes around
none. What the pages say is read as saved pages are (`housing.feeds.booli_pages`).
"""

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime
from typing import NamedTuple
from urllib.parse import urlencode
from urllib.robotparser import RobotFileParser

import pandas as pd

from fti.errors import SourceError, SourceUnreachable
from fti.http import USER_AGENT
from housing import table
from housing.feeds import booli_pages
from housing.table import Problems

log = logging.getLogger(__name__)

SITE = "https://www.booli.se"
CONTACT = "BOOLI_CONTACT"
SOURCE, IDENTITY = "booli", "booli:"
AGENT = USER_AGENT.partition("/")[0]  # as robots.txt may name us
PAUSE = 5.0  # seconds between two requests, more when robots.txt asks for more
LONGEST_PAUSE = 120.0  # a site that wants more does not want to be read daily
MAX_PAGES = 30  # of about 35 sales
TIMEOUT = 20.0  # seconds
SLACK = pd.Timedelta(days=60)  # sales are published late: how far before the newest they still are


def read(areas: str, *, known: pd.DataFrame | None = None, site: str = SITE) -> pd.DataFrame:
    """Give the sales of `areas` ("1,2") that are not among `known`, as `housing.table`."""
    stored = table.empty() if known is None else known
    stored = stored[stored["sale_id"].str.startswith(IDENTITY)]
    newest = stored["sold_on"].max() if len(stored) else None
    return fetch(areas, newest=newest, known=frozenset(stored["sale_id"]), site=site)


def fetch(
    areas: str,
    *,
    newest: pd.Timestamp | None = None,
    known: Collection[str] = frozenset(),
    site: str = SITE,
    max_pages: int = MAX_PAGES,
    sleep: Callable[[float], None] = time.sleep,
) -> pd.DataFrame:
    """Read result pages from the newest on, until one has nothing that is not known.

    `known` are sale_ids, `newest` the day of the newest of them. When a page cannot be had, nothing
    is given of those before it: stored alone, they would hide that older sales are missing. Raises
    SourceError, and SourceUnreachable when the site does not answer.
    """
    import httpx

    query = {"areaIds": _areas(areas), "objectType": "Lägenhet"}
    noted, drift, rows = Problems(), Counter(), []
    headers = {"User-Agent": f"{USER_AGENT} {contact()}"}
    with httpx.Client(headers=headers, timeout=TIMEOUT) as client:
        rules = _robots(client, site)
        pause = _pause(rules, site)
        for page in range(1, max_pages + 1):
            url = f"{site}/sok/slutpriser?{urlencode(query | {'page': page})}"
            if not rules.can_fetch(AGENT, url):
                raise SourceError(f"{site}: robots.txt does not allow result pages to be fetched.")
            sleep(pause)
            name = f"{site}, page {page} of results"
            body = _checked(_ask(client, url, name), name)
            found = booli_pages.page_rows(body, f"{site} page {page}", _today(), noted, drift)
            rows += [row for row in found if row["sale_id"] not in known]
            if not any(_is_new(row, newest, known) for row in found):
                break
        else:
            log.warning("%s pages were read and there are more new sales on the next.", max_pages)
    return booli_pages.collected(rows, noted, drift, SOURCE)


def contact() -> str:
    """Give the address or e-mail that BOOLI_CONTACT says. Raises SourceError without one."""
    reach = os.environ.get(CONTACT, "").strip()
    if not reach or not reach.isascii() or not reach.isprintable():
        raise SourceError(
            f"Booli should know who asks: set {CONTACT} to your e-mail or web address, or save "
            "pages yourself and name their folder with --source."
        )
    return reach


def _areas(text: str) -> str:
    """Check that areas are numbers, and none is all of Sweden."""
    areas = [area.strip() for area in text.split(",")]
    wrong = [area for area in areas if not (area.isascii() and area.isdecimal())]
    if wrong:
        raise SourceError(f"'{wrong[0]}' is no area of Booli: write --source booli:1 or booli:1,2.")
    if booli_pages.SWEDEN in areas:
        raise SourceError(f"Area {booli_pages.SWEDEN} is all of Sweden: name smaller areas.")
    return ",".join(areas)


class Answer(NamedTuple):
    """What the site said."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def _robots(client, site) -> RobotFileParser:
    """Read robots.txt; a site that has none (404, 410) allows all."""
    rules, name = RobotFileParser(), f"{site}, robots.txt"
    answer = _ask(client, f"{site}/robots.txt", name)
    if answer.status in (404, 410):
        rules.allow_all = True
    else:
        rules.parse(_checked(answer, name).decode("utf-8", "replace").splitlines())
    return rules


def _pause(rules, site):
    asked = float(rules.crawl_delay(AGENT) or 0.0)
    if asked > LONGEST_PAUSE:
        raise SourceError(f"{site}: robots.txt asks for {asked:g} s between requests: too slow.")
    return max(PAUSE, asked)


def _ask(client, url, name) -> Answer:
    """Ask once, following no redirect."""
    import httpx

    body = bytearray()
    try:
        with client.stream("GET", url) as answer:
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > booli_pages.MAX_BYTES:
                    limit = f"{booli_pages.MAX_BYTES:,} bytes"
                    raise SourceError(
                        f"{name}: it is larger than {limit}; look at it in a browser."
                    )
    except httpx.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise SourceUnreachable(f"{name} did not answer ({reason}): try again later.") from error
    return Answer(answer.status_code, answer.headers, bytes(body))


def _checked(answer: Answer, name: str) -> bytes:
    """Give the body of an answer that may be used."""
    saved = "save pages in a browser and name their folder with --source"
    if "cf-mitigated" in answer.headers or booli_pages.is_challenge(answer.body):
        raise SourceError(f"{name}: a challenge asks whether a person is there; {saved}.")
    if answer.status == 403:
        raise SourceError(f"{name}: the site refuses (status 403); {saved}.")
    if answer.status == 429:
        raise SourceError(f"{name}: the site says that this is too much (status 429); {saved}.")
    if 300 <= answer.status < 400:
        raise SourceError(f"{name}: the site leads to another page; look at it in a browser.")
    if answer.status != 200:
        raise SourceUnreachable(f"{name}: the site answers {answer.status}: try again later.")
    return answer.body


def _is_new(row, newest, known):
    return row["sale_id"] not in known and (newest is None or row["sold_on"] > newest - SLACK)


def _today() -> date:
    return datetime.now(UTC).date()
