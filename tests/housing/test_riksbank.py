"""The policy rate as the Riksbank writes it is a table in order, or one sentence."""

import json

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fti.errors import SourceError, SourceUnreachable
from housing.feeds import riksbank

FAST = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
DAYS = ["2022-11-28", "2022-11-29", "2022-11-30", "2022-12-01"]
RATES = [1.75, 1.75, 2.5, 2.5]
UNTIL = pd.Timestamp("2022-12-01", tz="UTC")
ODD = st.sampled_from(
    [None, True, "1.75", "", 99, -99, 10**400, [], {}, "2022-13-45", "2022-11-28T00:00:00", "３"]
)


def observations():
    return [{"date": day, "value": rate} for day, rate in zip(DAYS, RATES, strict=True)]


def written(document):
    return json.dumps(document).encode()


def refused(data):
    """Give the sentence that refuses the bytes, or the table."""
    try:
        return riksbank.parse(data, "rate.json")
    except SourceError as error:
        said = str(error)
        assert said.startswith("rate.json: ") and "\n" not in said and len(said) < 400
        return said


def test_each_day_has_its_rate():
    table = riksbank.parse(written(observations()), "rate.json")
    assert table["period"].dtype == "datetime64[us, UTC]"
    assert table["period"].dt.strftime("%Y-%m-%d").tolist() == DAYS
    assert table["value"].tolist() == RATES


@FAST
@given(rows=st.permutations(observations()))
def test_the_order_of_the_days_does_not_matter(rows):
    whole = riksbank.parse(written(observations()), "rate.json")
    pd.testing.assert_frame_equal(riksbank.parse(written(rows), "rate.json"), whole)


@FAST
@given(cut=st.integers(0, len(written(observations())) - 1))
def test_a_list_that_was_cut_off_is_refused(cut):
    assert isinstance(refused(written(observations())[:cut]), str)


@FAST
@given(junk=st.binary(max_size=200))
def test_random_bytes_are_refused(junk):
    assert isinstance(refused(junk), str)


@FAST
@given(data=st.data())
def test_any_value_may_be_wrong(data):
    rows = observations()
    row = data.draw(st.sampled_from(rows))
    key = data.draw(st.sampled_from(["date", "value"]))
    if data.draw(st.booleans()):
        row[key] = data.draw(ODD)
    else:
        del row[key]
    assert isinstance(refused(written(rows)), str)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"<!DOCTYPE html><html>Maintenance</html>", "this is a web page"),
        (b"", "it has no day"),
        (b"[]", "the document is empty"),
        (b'{"date": "2022-11-28"}', "expected a list"),
        (written(observations() + observations()[:1]), "2022-11-28 is there twice"),
        (written([{"date": "2022-11-28", "value": None}]), "value is null at place 0"),
        (written([{"date": "2022-11-28", "value": 250}]), "value has 250 at place 0"),
    ],
)
def test_what_is_not_as_documented_is_said(data, said):
    assert said in refused(data)


def test_the_days_asked_for_and_the_key_go_to_the_service(service, monkeypatch):
    service.answer("/1994-06-01/2022-11-30", written(observations()))
    monkeypatch.setattr(riksbank, "URL", service.address + "/{first}/{last}")
    monkeypatch.setenv(riksbank.KEY, "s3cret")
    table = riksbank.policy_rate(pd.Timestamp("2022-11-30", tz="UTC"), retries=0)
    assert table["value"].tolist() == RATES[:3]  # nothing of a day that was not asked for
    assert service.asked[0].headers[riksbank.KEY_HEADER] == "s3cret"


def test_without_a_key_none_is_sent(service, monkeypatch):
    monkeypatch.setattr(riksbank, "URL", service.answer("/rate", written(observations())))
    riksbank.policy_rate(UNTIL, retries=0)
    assert riksbank.KEY_HEADER not in service.asked[0].headers


def test_the_key_stays_with_its_host(service, monkeypatch):
    monkeypatch.setattr(riksbank, "URL", service.answer("/a", status=302, Location="/b"))
    monkeypatch.setenv(riksbank.KEY, "s3cret")
    with pytest.raises(SourceUnreachable, match="leads elsewhere") as caught:
        riksbank.policy_rate(UNTIL, retries=0)
    assert "s3cret" not in str(caught.value)
    assert len(service.asked) == 1


def test_a_key_that_is_none_is_said_before_asking(monkeypatch):
    monkeypatch.setenv(riksbank.KEY, "schlüssel")
    with pytest.raises(SourceError, match="RIKSBANK_API_KEY holds characters"):
        riksbank.policy_rate(UNTIL)
