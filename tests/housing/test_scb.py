"""Tables of Statistics Sweden in json-stat2 are series without a gap, or one sentence."""

import copy
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fti.errors import SourceError, SourceUnreachable
from housing.feeds import scb

FAST = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
QUARTERS = ["2020K4", "2021K1", "2021K2", "2021K3", "2021K4"]
LEVELS = [1_300_000.5, 1_310_000, 1_330_000, 1_350_000]  # the newest is not there yet
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10), st.just([]),
    st.sampled_from(["2021K5", "2021M01", "BNPM", "Tid", {}, 10**400]),
)  # fmt: skip


def dataset(series=scb.GDP, codes=QUARTERS, values=(*LEVELS, None)):
    """Give what https://json-stat.org/full/ describes, with SCB's variables."""
    names = [*series.codes, "Tid"]
    places = {"Tid": {code: place for place, code in enumerate(codes)}}
    places |= {name: {code: 0} for name, code in series.codes.items()}
    return {
        "version": "2.0",
        "class": "dataset",
        "label": "GDP: expenditure approach, seasonally adjusted, quarterly",
        "source": "Statistics Sweden",
        "updated": "2022-02-28T07:00:00Z",
        "id": names,
        "size": [len(places[name]) for name in names],
        "dimension": {
            name: {"label": name, "category": {"index": places[name], "label": {}}}
            for name in names
        },
        "value": list(values),
        "status": {str(len(codes) - 1): ".."},
        "extension": {"px": {"tableid": "TAB9999"}},
    }


def found(*numbers):
    """Give what a search of version 2 answers."""
    rows = [
        {"type": "Table", "id": each, "label": "GDP", "timeUnit": "Quarterly"} for each in numbers
    ]
    return {"language": "en", "tables": rows, "page": {"pageNumber": 1, "totalElements": len(rows)}}


def written(document):
    return json.dumps(document).encode()


def parsed(document, series=scb.GDP):
    """Give the table, or the sentence that refuses the document."""
    data = document if isinstance(document, bytes) else written(document)
    try:
        table = scb.parse(data, "gdp.json", series)
    except SourceError as error:
        said = str(error)
        assert said.startswith("gdp.json: ") and "\n" not in said and len(said) < 400
        return said
    assert len(table) and table["value"].between(*series.bounds).all()
    assert table["period"].is_monotonic_increasing and table["period"].is_unique
    return table


def test_each_quarter_has_its_value_and_the_one_to_come_none():
    table = parsed(dataset())
    assert table["period"].dtype == "datetime64[us, UTC]"
    assert table["period"].dt.strftime("%Y-%m-%d").tolist() == [
        "2020-10-01", "2021-01-01", "2021-04-01", "2021-07-01",
    ]  # fmt: skip
    assert table["value"].tolist() == LEVELS


def test_months_are_read_as_well():
    document = dataset(scb.UNEMPLOYMENT, ["2021M12", "2022M01"], [8.1, 7.9])
    table = parsed(document, scb.UNEMPLOYMENT)
    assert table["period"].dt.strftime("%Y-%m").tolist() == ["2021-12", "2022-01"]


def test_values_may_be_an_object_by_place_and_codes_a_list():
    document = dataset()
    document["value"] = {"0": LEVELS[0], "1": LEVELS[1], "3": LEVELS[3], "2": LEVELS[2]}
    document["dimension"]["Tid"]["category"]["index"] = QUARTERS
    pd.testing.assert_frame_equal(parsed(document), parsed(dataset()))


@FAST
@given(data=st.data())
def test_the_order_of_variables_and_codes_does_not_matter(data):
    document = dataset()
    order = data.draw(st.permutations(range(len(document["id"]))))
    for key in ("id", "size"):
        document[key] = [document[key][place] for place in order]
    document["dimension"] = {name: document["dimension"][name] for name in document["id"]}
    index = document["dimension"]["Tid"]["category"]["index"]
    shuffled = {code: index[code] for code in data.draw(st.permutations(QUARTERS))}
    document["dimension"]["Tid"]["category"]["index"] = shuffled
    pd.testing.assert_frame_equal(parsed(document), parsed(dataset()))


@FAST
@given(order=st.permutations(QUARTERS))
def test_values_belong_to_their_places(order):
    """Other places for the codes are other quarters, so only the order of time is a series."""
    document = dataset(codes=order)
    table = parsed(document)
    if isinstance(table, pd.DataFrame):
        assert list(order[: len(table)]) == sorted(order[: len(table)])


@FAST
@given(nulls=st.sets(st.integers(0, 4)))
def test_nulls_are_left_out_at_the_ends_and_refused_between(nulls):
    values = [None if place in nulls else 1e6 + place for place in range(5)]
    known = np.flatnonzero([value is not None for value in values])
    table = parsed(dataset(values=values))
    if len(known) and known[-1] - known[0] + 1 == len(known):
        assert table["value"].tolist() == [1e6 + place for place in known]
    else:
        assert isinstance(table, str)


@FAST
@given(data=st.data())
def test_a_document_that_was_cut_off_is_refused(data):
    whole = written(dataset())
    assert isinstance(parsed(whole[: data.draw(st.integers(0, len(whole) - 1))]), str)


@FAST
@given(junk=st.binary(max_size=200))
def test_random_bytes_are_refused(junk):
    assert isinstance(parsed(junk), str)


@FAST
@given(data=st.data())
def test_any_part_may_be_wrong(data):
    document = copy.deepcopy(dataset())
    place, key = data.draw(st.sampled_from(list(parts(document))))
    if data.draw(st.booleans()):
        place[key] = data.draw(ODD)
    else:
        del place[key]
    parsed(document)


def parts(document):
    """Give each (container, key) in a document."""
    for key in document if isinstance(document, dict) else range(len(document)):
        yield document, key
        if isinstance(document[key], dict | list):
            yield from parts(document[key])


def changed(*path, to):
    document = dataset()
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = to
    return document


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (b"<html><body>The service is closed</body></html>", "this is a web page"),
        (changed("class", to="collection"), "class is 'collection'"),
        (changed("id", to=["Region", "ContentsCode", "Tid"]), "its variables are 'Region'"),
        (changed("size", to=[1, 1, 4]), "size does not tell"),
        (changed("value", to=LEVELS), "value has 4 values for 5 periods"),
        (changed("value", to=[*LEVELS[:3], 0.1, None]), "value has 0.1 at place 3"),
        (changed("value", to={"5": 1.0}), "value has a place '5'"),
        (changed("value", to=[None] * 5), "it has no value"),
        (
            changed("dimension", "ContentsCode", "category", "index", to={"NR0103CF": 0}),
            "ContentsCode has NR0103CF, expected only NR0103CE",
        ),
        (
            changed("dimension", "Tid", "category", "index", to=dict.fromkeys(QUARTERS, 0)),
            "Tid has places that are not 0, 1, 2",
        ),
        (dataset(codes=["2020K4", "2021K1", "2021K3"], values=LEVELS[:3]), "2021K1 is followed by"),
        (dataset(codes=["2020", "2021"], values=LEVELS[:2]), "expected one like 2026K1"),
    ],
)
def test_what_is_not_as_documented_is_said(document, said):
    assert said in parsed(document)


@pytest.fixture
def statistics(service, monkeypatch):
    """Both versions of SCB's interface, on this machine, with nothing in them."""
    monkeypatch.setattr(scb, "URL", f"{service.address}/v2")
    monkeypatch.setattr(scb, "URL_V1", f"{service.address}/v1")
    return service


def test_version_2_is_searched_for_the_table_and_asked_for_the_series(statistics, tmp_path):
    statistics.answer("/v2/tables", written(found("TAB1")))
    statistics.answer("/v2/tables/TAB1/data", written(dataset()))
    for _ in range(2):
        table = scb.read(scb.GDP, cache=tmp_path, retries=0)
    assert table["value"].tolist() == LEVELS
    assert [asked.path for asked in statistics.asked] == [  # the second time from the copy
        "/v2/tables?lang=en&query=NR0103CE&pageSize=10",
        "/v2/tables/TAB1/data?lang=en&outputFormat=json-stat2&valueCodes[Anvandningstyp]=BNPM"
        "&valueCodes[ContentsCode]=NR0103CE&valueCodes[Tid]=*",
    ]


def test_codes_are_written_as_addresses_write_them(statistics):
    statistics.answer("/v2/tables", written(found("TAB2")))
    document = dataset(scb.UNEMPLOYMENT, ["2022M01"], [7.9])
    statistics.answer("/v2/tables/TAB2/data", written(document))
    assert scb.read(scb.UNEMPLOYMENT, retries=0)["value"].tolist() == [7.9]
    asked = statistics.asked[1].path
    assert "valueCodes[Arbetskraftstillh]=AL%C3%96SP&" in asked
    assert "valueCodes[Kon]=1%2B2&" in asked


def test_of_several_tables_the_one_that_has_the_series_is_taken(statistics):
    statistics.answer("/v2/tables", written(found("TAB1", "TAB2")))
    statistics.answer("/v2/tables/TAB1/data", b'{"title": "Non-existent variable"}', status=400)
    statistics.answer("/v2/tables/TAB2/data", written(dataset()))
    assert len(scb.read(scb.GDP, retries=0)) == 4


@pytest.mark.parametrize(
    "search",
    [b"<html>", written(found()), written(found("../../x")), written({"tables": [{"id": None}]})],
)
def test_version_1_is_asked_when_version_2_is_of_no_use(statistics, search, tmp_path):
    statistics.answer("/v2/tables", search)
    statistics.answer(f"/v1/{scb.GDP.path}", written(dataset()))
    for _ in range(2):
        table = scb.read(scb.GDP, cache=tmp_path, retries=0)
    assert table["value"].tolist() == LEVELS
    posted = [asked for asked in statistics.asked if asked.command == "POST"]
    assert [json.loads(asked.sent) for asked in posted] == [
        {
            "query": [
                {"code": "Anvandningstyp", "selection": {"filter": "item", "values": ["BNPM"]}},
                {"code": "ContentsCode", "selection": {"filter": "item", "values": ["NR0103CE"]}},
                {"code": "Tid", "selection": {"filter": "all", "values": ["*"]}},
            ],
            "response": {"format": "json-stat2"},
        }
    ]


def test_when_neither_answers_both_are_named(statistics):
    with pytest.raises(SourceUnreachable, match=r"/v2/tables.*404.*; .*/v1/NR/NR0103.*404"):
        scb.read(scb.GDP, retries=0)


def test_when_one_answers_nonsense_it_is_not_the_network(statistics):
    statistics.answer(f"/v1/{scb.GDP.path}", b"[]")
    with pytest.raises(SourceError, match="expected an object") as caught:
        scb.read(scb.GDP, retries=0)
    assert not isinstance(caught.value, SourceUnreachable)
