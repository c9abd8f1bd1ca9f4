"""The housing app: what it tells visitors and scripts, when it warns, what it does not take."""

import copy
import json
import re
import shutil
import subprocess
import sys
import time
from html import unescape
from pathlib import Path

import gradio as gr
import httpx
import pandas as pd
import pytest
from gradio_client import Client
from hypothesis import given, settings
from hypothesis import strategies as st

import fti
from fti import ui
from fti.embedded.project import Project
from fti.errors import UserError
from housing import advice
from housing.advice import FIELDS
from tests.loopback import serving

ROOT = Path(__file__).parents[2]
DAY = pd.Timedelta(days=1)
NOW = pd.Timestamp("2026-01-30T15:00", tz="UTC")  # the day of the filled project's newest run
LATER = NOW + 500 * DAY
EVIL = "<img src=x onerror=window.broken=1>"
FILES = ("known_sales.parquet", "monitor.json")


@pytest.fixture(scope="module")
def housing(app):
    """The module of the app."""
    return app("housing")


@pytest.fixture(scope="module")
def reader(filled):
    """Reads the filled project."""
    return ui.Reader(Project(filled))


@pytest.fixture(scope="module")
def known(housing, reader):
    """What the filled project knows."""
    return housing.read(reader)


@pytest.fixture(scope="module")
def start(known):
    """The flat that the page starts from, as an endpoint takes it."""
    flat = advice.usual_flat(known.past, known.atlas)
    return {name: getattr(flat, name) for name in FIELDS}


@pytest.fixture(scope="module")
def address(housing, filled, serve):
    """The address of the app, on the day of the newest run."""
    with serve(housing.build(Project(filled), clock=lambda: NOW)) as address:
        yield address


@pytest.fixture
def ask(housing, reader, start):
    """A function that gives the endpoint's answer for the usual flat with changes."""
    return lambda now=NOW, **changed: housing.ask(reader, start | changed, now)


@pytest.fixture
def page(housing, reader, start):
    """A function that gives what the page shows for the usual flat with changes, as text."""

    def show(now=NOW, **changed):
        shown = (start | changed).values()
        return [text_of(html) for html in housing.answers(reader, list(shown), now)]

    return show


@pytest.fixture
def own(filled, home):
    """The filled project, in a copy that a test may change."""
    shutil.copytree(filled, home)
    return Project(home)


def post(address, name, **values):
    return httpx.post(f"{address}gradio_api/run/{name}", json={"data": list(values.values())})


def text_of(html):
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", html)))


def amounts(text):
    """Give the amounts of money in a text."""
    return [int(found.replace(",", "")) for found in re.findall(r"([\d,]{5,}) SEK", text)]


# Endpoints


def test_a_value_has_ranges_confidence_and_comparable_sales(address, start, known):
    answer = post(address, "value", **start).json()["data"][0]
    assert answer["low_90"] < answer["low_80"] < answer["value"]
    assert answer["value"] < answer["high_80"] < answer["high_90"]
    assert answer["confidence"] in "ABCD" and answer["currency"] == "SEK"
    assert (answer["synthetic"], answer["model_version"], answer["day"]) == (True, 1, "2026-01-30")
    assert 5 <= len(answer["comparables"]) <= 10
    for sale in answer["comparables"]:
        sold = known.sales[known.sales["address"] == sale["address"]]
        assert sale["price"] in set(sold["price"]) and sale["sold_on"] <= "2026-01-23"
        assert 0 <= sale["metres"] < 3_000


def test_a_client_may_leave_out_all_but_the_place(address, start, monkeypatch):
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
    client = Client(address, verbose=False, download_files=False)
    by_street = client.predict(street=start["street"], api_name="/value")
    by_point = client.predict(latitude=59.33, longitude=18.04, api_name="/value")
    assert by_street["value"] > 0 and by_point["place"]["precision"] == "point"
    metrics = client.predict(api_name="/metrics")
    assert metrics["model"]["metrics"]["mape"] > 0 and metrics["live"]["scored"] > 0
    client.close()


def test_clients_find_the_endpoints_that_give_data_and_no_other(address):
    described = httpx.get(f"{address}gradio_api/info").json()["named_endpoints"]
    assert set(described) == {"/value", "/metrics", "/health"}
    health = httpx.post(f"{address}gradio_api/run/health", json={"data": []}).json()["data"][0]
    assert (health["app"], health["status"]) == ("housing", "ok")


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"street": ""}, "Street name is empty."),
        ({"street": EVIL}, "Only letters are allowed in street name."),
        ({"street": "Ingenstansgatan"}, "Address not found among the known sales, please try"),
        ({"living_area_m2": 1e9}, "Size is too high: it must be from 5 to 1000 m²."),
        ({"rooms": "two"}, "Number of rooms must be a number"),
        ({"model": "../../etc/passwd"}, "Model must be one of ours, seed_xgboost, autogluon."),
        ({"agency": EVIL}, "Agency must be one of "),
        ({"latitude": 59.3}, "Latitude and longitude belong together"),
        ({"latitude": 0, "longitude": 0}, "This place is 6,"),
    ],
)
def test_what_cannot_be_is_answered_with_one_sentence(address, start, changed, sentence):
    response = post(address, "value", **(start | changed))
    said = response.json()["error"]
    assert response.status_code == 500 and said.startswith(sentence) and said.endswith(".")


def test_a_model_that_is_not_there_is_one_sentence(ask):
    with pytest.raises(UserError, match="No version of the model housing_autogluon"):
        ask(model="autogluon")


WILD = (
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(max_size=60)
    | st.lists(st.text(max_size=5), max_size=2)
    | st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2)
)


@settings(max_examples=150, deadline=None)
@given(change=st.dictionaries(st.sampled_from(FIELDS), WILD, max_size=3))
def test_wild_input_is_an_answer_or_one_sentence(housing, reader, start, change):
    shown = list((start | change).values())
    drawn, answer, more, link = housing.answers(reader, shown, NOW)
    assert "<svg" in drawn
    if not link:
        assert answer.count('class="notice') == 1 and not more
    for html in (drawn, answer, more):
        assert "<script" not in html and "<img" not in html


@pytest.fixture
def geocoder():
    """A loopback geocoder that knows nothing, and remembers what it was asked."""
    with serving() as service:
        service.answer("/search", b"[]")
        yield service


@pytest.mark.parametrize("configured", [False, True])
def test_an_address_goes_to_the_geocoder_s_host_or_to_nobody(
    housing, reader, start, geocoder, configured, monkeypatch
):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("GEOCODER_URL", geocoder.address if configured else "")
    monkeypatch.delenv("HOUSING_ADDRESSES", raising=False)
    with pytest.raises(UserError, match="Address not found"):
        housing.ask(reader, start | {"street": "Ingenstansvägen, Atlantis"}, NOW)
    assert bool(geocoder.asked) == configured


def test_an_address_of_no_sale_is_found_in_the_table_of_addresses(
    housing, reader, start, tmp_path, monkeypatch
):
    table = tmp_path / "addresses.csv"
    table.write_text(
        "street,number,municipality,latitude,longitude\nNya gränd,3,Stockholm,59.3311,18.0421\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("HOUSING_ADDRESSES", str(table))
    answer = housing.ask(reader, start | {"street": "Nya gränd", "number": "3"}, NOW)
    assert answer["place"]["precision"] == "looked up"
    assert answer["place"]["latitude"] == pytest.approx(59.3311)


# The page


def test_the_page_starts_with_a_valid_flat_and_every_choice(housing, reader, known, start):
    shown = dict(zip(FIELDS, housing.starting(reader, known, {}), strict=True))
    values = {name: getattr(one, "value", one) for name, one in shown.items()}
    assert values["living_area_m2"] == start["living_area_m2"]
    assert len(shown["street"].choices) > 100 and values["street"][0].isupper()
    agencies = [value for _, value in shown["agency"].choices]
    assert agencies == ["unknown", *known.agencies] and len(agencies) > 5
    words = {value: text for text, value in shown["model"].choices}
    assert set(words) == {"ours", "seed_xgboost"}
    for way, name in (("ours", "housing"), ("seed_xgboost", "housing_seed_xgboost")):
        metrics = reader.model(name).metrics
        assert f"MAPE {metrics['mape']:.1f} %, MdAPE {metrics['mdape']:.1f} %" in words[way]
    drawn, answer, more, link = housing.answers(reader, list(values.values()), NOW)
    assert "<svg" in drawn and "Predicted price" in answer and "Comparable" in more and link


def test_the_page_says_value_range_and_that_it_is_no_appraisal(page, ask):
    _, answer, more, _ = page()
    found = ask()
    assert f"{found['value']:,.0f}"[:5] in answer
    assert "80 % range" in answer and "90 % range" in answer and "confidence: " in answer
    assert "not an appraisal" in answer
    for part in ("Comparable sales", "Why", "At other times", "Agencies"):
        assert part in more


def test_the_first_version_s_model_answers_without_a_range(page, ask, housing):
    answer = page(model="seed_xgboost")[1]
    ours, theirs = ask()["value"], ask(model="seed_xgboost")["value"]
    assert theirs != ours
    assert advice.money(theirs, "SEK").replace("\xa0", " ") in answer
    assert f"says {advice.money(ours, 'SEK')}".replace("\xa0", " ") in answer


def test_contributions_lead_from_a_usual_flat_to_the_value(housing, known, reader, start):
    flat = advice.checked(start, known.atlas, known.agencies)
    found = housing.value(reader, known, flat, NOW)
    parts = known.scorer.contributions(found.row, known.past).iloc[0]
    assert parts.sum() == pytest.approx(found.value)
    drawn = housing.draw_more(known, found)[1]
    assert f"{flat.living_area_m2:g} m²" in drawn and "a usual flat" in drawn


def test_differences_in_time_are_differences(page, ask):
    """The first version printed each of them 150,000 kronor too high."""
    now = advice.rounded_money(ask()["value"])
    said = re.search(r"If sold a year ago[^:]*: ([\d,]+) SEK \( ?(\S)([\d,]+)", page()[2])
    then, difference = (int(said[place].replace(",", "")) for place in (1, 3))
    sign = 1 if said[2] == "+" else -1
    assert then - now == sign * difference
    assert abs(difference) < 0.15 * now


def test_times_out_of_reach_are_owned_up_to(page):
    more = page()[2]
    assert "three years ago: not known, the sales begin on " in more
    assert "before 24 February 2022: not known" in more
    assert re.search(r"If sold in a year \(30 January 2027\): [\d,]+ SEK as well, in nine of", more)
    assert "root mean square" in more


def test_agencies_are_a_pattern_and_their_differences_are_from_their_mean(page, known):
    more = page()[2].partition("Agencies")[2]
    assert "a pattern in past sales and not an effect" in more
    values = amounts(more)[::2]
    assert len(values) == 5 and values == sorted(values, reverse=True)
    assert max(values) - min(values) < 0.1 * max(values)


def test_what_the_model_has_not_seen_is_warned_of_and_not_clipped(page, ask):
    small, large = ask(living_area_m2=400), ask(living_area_m2=900)
    assert large["value"] > small["value"]
    assert "outside all that the model has seen" in page(living_area_m2=900)[1]
    assert any("Size 900 m²" in warning for warning in large["warnings"])


def test_sales_of_long_ago_give_the_value_of_then(page, ask, housing, known):
    _, answer, more, _ = page(now=LATER)
    newest = f"{known.newest.day} {known.newest:%B %Y}"
    assert f"The newest known sale is of {newest}: this is the value of then" in answer
    assert "Predicted price of the flat as of" in answer and "today" not in answer.split("Note")[0]
    assert "a year later" in more and "a year earlier" in more and " ago" not in more
    assert ask(now=LATER)["day"] == f"{known.newest + 7 * DAY:%Y-%m-%d}"
    assert "out of date" in "".join(housing.head(known, LATER))


def test_the_sample_is_said_at_the_top(housing, known):
    text = text_of("".join(housing.head(known, NOW)))
    assert "sample" in text and "invented" in text and "up to date" in text


# The map


def test_a_click_gives_coordinates_and_the_nearest_street(housing, reader, known):
    shown = housing.frame(known)
    sale = known.sales.iloc[-1]
    x, y = shown.place(sale["latitude"], sale["longitude"])
    street, number, latitude, longitude = housing.pointed_at(reader, {"x": x, "y": y})
    assert street.lower() == sale["street"] and number == ""
    assert (latitude, longitude) == pytest.approx((sale["latitude"], sale["longitude"]), abs=1e-3)


@pytest.mark.parametrize(
    "where", [None, {}, {"x": 1}, {"x": "a", "y": 2}, {"x": -1, "y": 5}, {"x": 1e9, "y": 1}, [1, 2]]
)
def test_a_click_beside_the_map_changes_nothing(housing, reader, where):
    assert housing.pointed_at(reader, where) == [gr.skip()] * 4


def test_the_map_has_the_flat_and_its_comparable_sales(page, housing, reader, start):
    drawn = housing.answers(reader, list(start.values()), NOW)[0]
    assert "10 comparable sales" in drawn and "the flat: " in drawn
    assert drawn.count("<circle") == 11 and len(drawn) < 40_000


def test_sales_without_coordinates_have_no_map_but_a_value(housing, own):
    sales = fti.read_published(own, "housing", "known_sales.parquet")
    blank = sales.assign(latitude=float("nan"), longitude=float("nan"))
    fti.publish(own, "housing", {"known_sales.parquet": blank})
    reader = ui.Reader(own)
    known = housing.read(reader)
    flat = advice.usual_flat(known.past, known.atlas)
    shown = [getattr(flat, name) for name in FIELDS]
    drawn, answer, more, link = housing.answers(reader, shown, NOW)
    assert "there is no map" in drawn and "Predicted price" in answer and link
    assert "–" in more


# Links


def test_a_link_fills_in_the_page(housing, reader, known, start):
    query = {"street": start["street"], "living_area_m2": "81.5", "latitude": "abc", "floor": "2"}
    query |= {"agency": EVIL, "model": "nonsense", "balcony": "perhaps"}
    shown = dict(zip(FIELDS, housing.starting(reader, known, query), strict=True))
    values = {name: getattr(one, "value", one) for name, one in shown.items()}
    assert (values["living_area_m2"], values["floor"], values["latitude"]) == (81.5, 2.0, None)
    assert values["rooms"] is None and values["model"] == "ours"
    assert values["agency"] == values["balcony"] == "unknown"


# Track record


def test_the_record_is_that_of_monitor_json(housing, reader):
    summary = reader.published("housing", "monitor.json")
    text = text_of(housing.show_record(reader, NOW))
    live = summary["live"]
    assert f"{live['mape']:.1f} %" in text and f"since {live['since']}" in text
    for title in ("Error by month", "Error by district", "Error by price band", "Drift"):
        assert title in text
    for one in (summary["model"], *summary["other_models"]):
        assert f"{one['metrics']['mape']:.1f}" in text
    assert "The first version's XGBoost" in text and "The market" in text


def test_without_a_scored_sale_the_record_says_so(housing, reader):
    summary = copy.deepcopy(reader.published("housing", "monitor.json"))
    summary["live"] = {"scored": 0, "listings_waiting": 3}
    text = text_of("".join(housing.track_record(summary, NOW)))
    assert "No valuation has met its price yet. 3 flats are for sale" in text


# What is read


def test_published_sales_are_preferred_where_they_are_newer(housing, known):
    beside = pd.read_parquet(known.model.folder / "known_sales.parquet")
    assert known.newest > beside["sold_on"].max() and len(known.sales) > len(beside)


def test_the_sales_beside_the_model_serve_where_none_are_published(housing, own, home):
    (published,) = home.rglob("Resources/housing/known_sales.parquet")
    published.unlink()
    found = housing.read(ui.Reader(own))
    assert len(found.sales) == len(pd.read_parquet(found.model.folder / "known_sales.parquet"))


def test_model_and_sales_are_read_once_and_an_answer_takes_well_under_100_ms(ask, housing, reader):
    first = housing.read(reader)
    ask()
    assert housing.read(reader).past is first.past and housing.read(reader).scorer is first.scorer
    used = []
    for _ in range(7):
        begun = time.process_time()
        ask()
        used.append(time.process_time() - begun)
    assert sorted(used)[3] < 0.1


def test_a_project_without_a_model_says_what_to_run(housing, project):
    reader = ui.Reader(project)
    blank = [None] * len(FIELDS)
    assert "python -m housing" in housing.answers(reader, blank, NOW)[1]
    assert housing.begin(reader, {}) == [gr.skip()] * len(FIELDS)
    assert "python -m housing" in housing.show_about(reader, NOW)[0]


def test_files_of_another_version_are_one_sentence(housing, own):
    own_reader = ui.Reader(own)
    summary = own_reader.published("housing", "monitor.json")
    fti.publish(own, "housing", {"monitor.json": {"live": 3, "freshness": summary["freshness"]}})
    text = text_of(housing.show_record(ui.Reader(own), NOW))
    assert "made by another version of the code" in text
    fti.publish(own, "housing", {"known_sales.parquet": pd.DataFrame({"price": [1.0]})})
    text = text_of(housing.show_about(ui.Reader(own), NOW)[0])
    assert "made by another version of the code" in text


def test_another_town_s_map_says_that_nothing_is_drawn_of_it(housing, own):
    sales = fti.read_published(own, "housing", "known_sales.parquet")
    moved = sales.assign(latitude=sales["latitude"] - 10.5, longitude=sales["longitude"] - 15.7)
    fti.publish(own, "housing", {"known_sales.parquet": moved})
    drawn = "".join(housing.draw_map(housing.read(ui.Reader(own)), None))
    assert "no land and water are drawn" in drawn and "Vasastan" not in drawn


def test_the_app_imports_neither_xgboost_nor_scikit_learn_nor_autogluon():
    code = (
        "import sys; sys.path.insert(0, 'spaces/housing'); import app, json;"
        "print(json.dumps([m for m in ('xgboost', 'sklearn', 'autogluon', 'torch', 'hopsworks')"
        " if m in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []
