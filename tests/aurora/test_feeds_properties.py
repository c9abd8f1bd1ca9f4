"""Whatever a service sends is a table, in order and in UTC, or one sentence that names it."""

import copy

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aurora import sources
from aurora.feeds import gfz, met_norway, noaa, open_meteo, tables, visual_crossing
from aurora.sites import SITES
from fti.errors import SourceError
from tests.aurora import recorded

KIRUNA = SITES["kiruna"]
LOCAL = [f"2021-01-01T{hour:02}:00:00" for hour in range(20)]
PARSERS = {
    "gfz history": (recorded.gfz_history(), gfz.parse_history),
    "gfz Hp60": (recorded.gfz_history("Hp60"), lambda d, n: gfz.parse_history(d, n, "Hp60")),
    "gfz forecast": (recorded.gfz_forecast(8), gfz.parse_forecast),
    "noaa forecast": (recorded.noaa_forecast(), noaa.parse),
    "noaa observed": (recorded.noaa_observed(), noaa.parse),
    "noaa rows": (recorded.in_rows(recorded.noaa_forecast()), noaa.parse),
    "open-meteo": (recorded.open_meteo(8), lambda d, n: open_meteo.parse(d, n, KIRUNA)),
    "met norway": (recorded.met_norway(8), lambda d, n: met_norway.parse(d, n, KIRUNA)),
    "visual crossing": (
        recorded.visual_crossing(1),
        lambda d, n: visual_crossing.parse_api(d, n, KIRUNA),
    ),
    "labels": (recorded.labels(), sources.parse_labels),
    "labels with a start": (
        {"start": "2026-01-01T12:00:00Z", "labels": ["yes", "no", "unknown", None, 1]},
        sources.parse_labels,
    ),
    "export": (
        recorded.export(LOCAL).decode(),
        lambda d, n: visual_crossing.parse_csv(d, n, KIRUNA),
    ),
}
PARSER = pytest.mark.parametrize("kind", PARSERS)
FAST = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers() | st.just(10**400),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        [
            "2026-11-20T18:00:00+01:00",
            "2026-11-20T18:00:00",
            "20-11-2026 18:00",
            "2026-13-45T00:00Z",
        ]
    ),
    st.sampled_from([9999, -1, [], {}, "9" * 5000]),
)


def sent(document):
    return document.encode() if isinstance(document, str) else recorded.written(document)


def is_table_or_sentence(kind, data):
    """Parse, and check the table, or give the sentence that refuses it."""
    try:
        table = PARSERS[kind][1](data, "the.file")
    except SourceError as error:
        said = str(error)
        assert said.startswith("the.file: ")
        assert "\n" not in said
        assert len(said) < 400
        return said
    assert len(table)
    assert table["time"].dtype == tables.UTC_TIME
    assert table["time"].is_monotonic_increasing and table["time"].is_unique
    if "value" in table:
        assert table["value"].between(0, 30).all()
    if "cloud_cover" in table:
        assert not np.isinf(table[list(tables.WEATHER)]).any(axis=None)
        assert set(table["icon"].dropna()) <= set(tables.ICONS)
    if "aurora" in table:
        assert set(table["aurora"]) <= set(tables.STATES)
    return table


@PARSER
def test_a_document_as_documented_is_a_table(kind):
    assert isinstance(is_table_or_sentence(kind, sent(PARSERS[kind][0])), pd.DataFrame)


@PARSER
def test_a_web_page_is_called_one(kind):
    page = b"\xef\xbb\xbf\n<!DOCTYPE html><html><body>404 Not Found</body></html>"
    assert "this is a web page" in is_table_or_sentence(kind, page)


@PARSER
@FAST
@given(data=st.data())
def test_a_document_that_was_cut_off_is_refused(kind, data):
    whole = sent(PARSERS[kind][0])
    cut = data.draw(st.integers(0, len(whole) - 1))
    found = is_table_or_sentence(kind, whole[:cut])
    assert isinstance(found, str) or kind == "export"  # a CSV may have been written to that row


@PARSER
@FAST
@given(junk=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_random_bytes_are_refused(kind, junk):
    found = is_table_or_sentence(kind, junk)
    assert isinstance(found, str) or kind.startswith("labels")  # b"[0]" is a list of labels


@PARSER
@FAST
@given(data=st.data())
def test_any_value_may_be_wrong(kind, data):
    document = PARSERS[kind][0]
    if isinstance(document, str):
        return
    document = copy.deepcopy(document)
    place, key = data.draw(st.sampled_from(list(places(document))))
    if data.draw(st.booleans()):
        place[key] = data.draw(ODD)
    else:
        del place[key]
    is_table_or_sentence(kind, recorded.written(document))


@PARSER
@FAST
@given(data=st.data())
def test_lists_may_be_in_any_order(kind, data):
    document = PARSERS[kind][0]
    if isinstance(document, str):
        header, *rows = document.splitlines()
        mixed = "\n".join([header, *data.draw(st.permutations(rows))]).encode()
    else:
        document = copy.deepcopy(document)
        lists = [p[k] for p, k in places({"all": document}) if isinstance(p[k], list)]
        chosen = data.draw(st.sampled_from(lists)) if lists else []
        chosen[:] = data.draw(st.permutations(chosen))
        mixed = recorded.written(document)
    is_table_or_sentence(kind, mixed)


@FAST
@given(data=st.data())
def test_an_export_with_any_damage_is_a_table_or_a_sentence(data):
    text = PARSERS["export"][0]
    place = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(place, min(place + 40, len(text))))
    damage = data.draw(st.text(max_size=10))
    is_table_or_sentence("export", (text[:place] + damage + text[end:]).encode())


def places(document):
    """Give each (container, key) in a document."""
    keys = document if isinstance(document, dict) else range(len(document))
    for key in keys:
        yield document, key
        if isinstance(document[key], dict | list):
            yield from places(document[key])
