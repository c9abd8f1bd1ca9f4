"""Result pages are fetched politely: robots first, one at a time, and no is taken for an answer."""

import pandas as pd
import pytest

from fti.errors import SourceError, SourceUnreachable
from housing import sources, table
from housing.feeds import booli_fetch
from tests.housing.recorded import CHALLENGE, flat, html, state

RESULTS = "/sok/slutpriser"
PAGES = RESULTS + "?areaIds=1%2C2&objectType=L%C3%A4genhet&page={}"


@pytest.fixture
def site(service, monkeypatch):
    """Booli on this machine, with two pages of sales and one without."""
    monkeypatch.setenv("BOOLI_CONTACT", "someone@example.org")
    service.answer("/robots.txt", b"User-agent: *\nDisallow: /auth/\n")
    service.answer(PAGES.format(1), html(state(flat(14), flat(13))))
    service.answer(PAGES.format(2), html(state(flat(12), flat(11, soldDate="2026-06-20"))))
    service.answer(PAGES.format(3), html(state()))
    return service


class Clock:
    """Notes how long was waited, without waiting."""

    def __init__(self):
        self.waits = []

    def __call__(self, seconds):
        self.waits.append(seconds)


def fetch(site, areas="1,2", clock=None, **more):
    return booli_fetch.fetch(areas, site=site.address, sleep=clock or Clock(), **more)


def asked(site):
    return [request.path for request in site.asked]


def test_pages_are_read_until_one_has_nothing(site):
    sales = fetch(site)
    assert sales["sale_id"].tolist() == ["booli:11", "booli:12", "booli:13", "booli:14"]
    assert set(sales["source"]) == {"booli"}
    assert asked(site) == ["/robots.txt", *(PAGES.format(page) for page in (1, 2, 3))]


def test_who_asks_is_said_and_every_request_waits(site):
    clock = Clock()
    fetch(site, clock=clock)
    agents = {request.headers["User-Agent"] for request in site.asked}
    assert [agent.endswith(" someone@example.org") for agent in agents] == [True]
    assert clock.waits == [booli_fetch.PAUSE] * 3


def test_nothing_is_asked_without_a_contact(site, monkeypatch):
    monkeypatch.delenv("BOOLI_CONTACT")
    with pytest.raises(SourceError, match="set BOOLI_CONTACT"):
        fetch(site)
    assert not site.asked


def test_it_stops_at_the_first_page_with_nothing_new(site):
    known = {"booli:11", "booli:12", "booli:13"}
    newest = pd.Timestamp("2026-06-30", tz="UTC")
    sales = fetch(site, newest=newest, known=known)
    assert sales["sale_id"].tolist() == ["booli:14"]
    assert asked(site)[-1] == PAGES.format(2)


def test_sales_long_before_the_newest_known_are_not_new(site):
    fetch(site, newest=pd.Timestamp("2026-12-30", tz="UTC"), known={"booli:99"})
    assert asked(site) == ["/robots.txt", PAGES.format(1)]


def test_the_stored_sales_of_booli_say_what_is_known(site, monkeypatch):
    monkeypatch.setattr(booli_fetch, "PAUSE", 0.0)
    stored = pd.concat([fetch(site), table.finish(fetch(site).assign(sale_id="unknown"))])
    site.asked.clear()
    assert booli_fetch.read("1,2", known=stored, site=site.address).empty
    assert asked(site) == ["/robots.txt", PAGES.format(1)]


def test_pages_are_bounded(site, caplog):
    assert len(fetch(site, max_pages=1)) == 2
    assert "more new sales" in caplog.text


@pytest.mark.parametrize(
    ("status", "body", "headers", "said"),
    [
        (403, b"no", {}, "refuses"),
        (429, b"slower", {"Retry_After": "1"}, "too much"),
        (403, CHALLENGE, {"cf_mitigated": "challenge"}, "whether a person is there"),
        (200, b"{}", {"cf_mitigated": "challenge"}, "whether a person is there"),
        (200, CHALLENGE, {}, "whether a person is there"),
        (302, b"", {"Location": "/auth/login"}, "leads to another page"),
    ],
)
def test_a_no_ends_it_in_a_sentence_and_is_not_asked_again(site, status, body, headers, said):
    site.answer(PAGES.format(2), body, status, **headers)
    with pytest.raises(SourceError, match=said) as caught:
        fetch(site)
    assert "\n" not in str(caught.value)
    assert asked(site) == ["/robots.txt", PAGES.format(1), PAGES.format(2)]


def test_a_site_that_is_down_is_unreachable_and_not_asked_again(site):
    site.answer(PAGES.format(1), b"", 503)
    with pytest.raises(SourceUnreachable, match="503"):
        fetch(site)
    assert len(site.asked) == 2


def test_a_site_that_is_not_there_is_unreachable(site):
    site.server.shutdown()
    site.server.server_close()
    with pytest.raises(SourceUnreachable, match="did not answer"):
        fetch(site)


@pytest.mark.parametrize(
    "rules",
    [
        "User-agent: *\nDisallow: /sok/",
        "User-agent: *\nDisallow: /",
        "User-agent: fti-pipelines\nDisallow: /\n\nUser-agent: *\nAllow: /",
    ],
)
def test_robots_txt_is_obeyed(site, rules):
    site.answer("/robots.txt", rules.encode())
    with pytest.raises(SourceError, match=r"robots\.txt does not allow"):
        fetch(site)
    assert asked(site) == ["/robots.txt"]


def test_a_pause_that_robots_txt_asks_for_is_kept(site):
    site.answer("/robots.txt", b"User-agent: *\nCrawl-delay: 30\n")
    clock = Clock()
    fetch(site, clock=clock)
    assert clock.waits == [30.0] * 3


def test_a_pause_of_hours_means_no(site):
    site.answer("/robots.txt", b"User-agent: *\nCrawl-delay: 7200\n")
    with pytest.raises(SourceError, match="too slow"):
        fetch(site)


def test_a_site_without_robots_txt_allows_all(site):
    del site.answers["/robots.txt"]
    assert len(fetch(site)) == 4


@pytest.mark.parametrize(("status", "said"), [(403, "refuses"), (500, "answers 500")])
def test_a_robots_txt_that_is_refused_ends_it(site, status, said):
    site.answer("/robots.txt", b"", status)
    with pytest.raises(SourceError, match=said):
        fetch(site)
    assert asked(site) == ["/robots.txt"]


def test_a_page_without_an_end_is_cut(site, monkeypatch):
    monkeypatch.setattr(booli_fetch.booli_pages, "MAX_BYTES", 100)
    with pytest.raises(SourceError, match="larger than 100 bytes"):
        fetch(site)


@pytest.mark.parametrize(
    ("areas", "said"),
    [("1,77104", "all of Sweden"), ("", "no area"), ("1,norrmalm", "no area"), ("1,²", "no area")],
)
def test_areas_are_numbers_and_not_all_of_sweden(site, areas, said):
    with pytest.raises(SourceError, match=said):
        fetch(site, areas)
    assert not site.asked


def test_a_source_of_this_name_asks_for_a_contact_first():
    with pytest.raises(SourceError, match="BOOLI_CONTACT"):
        sources.read("booli:1")
