"""Saved pages of Booli become sales; pages that are none are told from pages without any."""

import json
import os
from datetime import UTC, date, datetime

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fti import quality
from fti.errors import SourceError
from housing import sources, table
from housing.feeds import booli_pages
from tests.housing.recorded import CHALLENGE, detail, flat, for_sale, html, state


@pytest.fixture
def save(tmp_path):
    """A function that saves pages into one folder and reads them all."""

    def save_and_read(**pages):
        paths = [tmp_path / name.replace("_", ".") for name in pages]
        for path, page in zip(paths, pages.values(), strict=True):
            path.write_bytes(page if isinstance(page, bytes) else json.dumps(page).encode())
        return booli_pages.read(paths)

    return save_and_read


def test_a_result_page_becomes_sales(save):
    sales = save(a_html=html(state(flat(11), flat(12, soldPriceType="Sista bud"))))
    quality.check(sales, table.schema(), "sales")
    assert sales["sale_id"].tolist() == ["booli:11", "booli:12"]
    first = sales.iloc[0]
    assert first["sold_on"] == pd.Timestamp("2026-06-30", tz="UTC")
    assert first[["price", "living_area_m2", "rooms", "floor"]].tolist() == [4.43e6, 42.0, 1.5, 3.0]
    assert first[["street", "number"]].tolist() == ["tranbärsgatan", "12"]
    assert first[["municipality", "district"]].tolist() == ["stockholm", "klockarudden"]
    assert first[["balcony", "elevator"]].tolist() == [1.0, 0.0]
    assert first[["latitude", "source", "currency"]].tolist() == [59.3415, "booli_pages", "SEK"]
    assert sales.attrs["drift"] == {}
    assert not table.problems(sales)


@pytest.mark.parametrize("whole", [True, False])
def test_the_data_may_be_saved_alone(save, whole):
    apollo = state(flat(11))
    document = {"props": {"pageProps": {"__APOLLO_STATE__": apollo}}} if whole else apollo
    assert save(a_json=document)["sale_id"].tolist() == ["booli:11"]


def test_an_answer_with_the_flats_in_it_is_read_too(save):
    answer = {"data": {"searchSold": {"pages": 1, "result": [flat(11, amenities=None)]}}}
    assert save(a_json=answer)["price"].tolist() == [4.43e6]


def test_texts_with_hard_spaces_commas_and_plots_are_understood(save):
    shown = (
        "103\xa0+\xa015\xa0m²",
        "2\xa0051\xa0m²\xa0tomt",
        "3,5\xa0rum",
        "vån\xa0½",
        "3 100 kr/mån",
    )
    (sale,) = save(a_html=html(state(flat(11, shown=shown)))).to_dict("records")
    assert (sale["living_area_m2"], sale["extra_area_m2"]) == (103.0, 15.0)
    assert (sale["rooms"], sale["floor"], sale["fee"]) == (3.5, 0.5, 3100.0)


def test_a_flat_with_nothing_but_a_plot_has_no_living_area(save):
    sales = save(a_html=html(state(flat(11, shown=("2 051 m² tomt",)), flat(12))))
    assert sales["sale_id"].tolist() == ["booli:12"]
    assert table.problems(sales)[0]["column"] == "living_area_m2"


def test_the_page_of_a_flat_adds_what_the_results_lack(save):
    one = flat(11, rent={"raw": 2391}, constructionYear=1929, agency={"name": "Tornsvalan"},
               operatingCost={"raw": 6000, "formatted": "6 000 kr/år"}, shown=())  # fmt: skip
    one |= {"livingArea": {"raw": 42}, "rooms": {"raw": 1.5}, "floor": {"raw": 3}}
    alone = save(b_html=html(detail(one)))
    both = save(a_html=html(state(flat(11))), b_html=html(detail(one)))
    for sales in (alone, both):
        (sale,) = sales.to_dict("records")
        assert (sale["fee"], sale["year_built"], sale["running_cost"]) == (2391.0, 1929.0, 500.0)
        assert (sale["agency"], sale["living_area_m2"]) == ("Tornsvalan", 42.0)


def test_a_running_cost_that_does_not_say_of_what_time_is_told(save):
    sales = save(a_html=html(state(flat(11, operatingCost={"raw": 6000}))))
    assert sales["running_cost"].isna().all()
    assert table.problems(sales)[0]["column"] == "running_cost"


def test_flats_for_sale_have_no_price_and_the_day_they_were_listed(save, tmp_path):
    page = state(for_sale(21), for_sale(22, published=None, daysActive=3), search="searchForSale")
    path = tmp_path / "till-salu.html"
    path.write_bytes(html(page))
    saved = datetime(2026, 7, 10, 12, tzinfo=UTC).timestamp()
    os.utime(path, (saved, saved))
    sales = booli_pages.read([path])
    assert sales["price"].isna().all()
    assert sales["sold_on"].dt.strftime("%Y-%m-%d").tolist() == ["2026-07-02", "2026-07-07"]


def test_a_flat_that_was_sold_since_is_a_sale(save):
    sales = save(a_html=html(state(for_sale(11))), b_html=html(state(flat(11))))
    assert sales["price"].tolist() == [4.43e6]
    assert sales["sold_on"][0] == pd.Timestamp("2026-06-30", tz="UTC")


def test_projects_and_houses_are_no_flats(save):
    project = {"__typename": "Project", "id": 7}
    sales = save(a_html=html(state(flat(11), project, flat(12, objectType="Villa"))))
    assert len(sales) == 1
    assert [problem["value"] for problem in table.problems(sales)] == ["villa"]
    assert sales.attrs["drift"] == {}


def test_coordinates_abroad_are_unknown(save):
    sales = save(a_html=html(state(flat(11, latitude=40.4, longitude=-3.7))))
    assert sales[["latitude", "longitude"]].isna().all(axis=None)


def test_a_search_without_results_has_no_rows_and_is_no_error(save):
    sales = save(a_html=html(state()))
    assert sales.empty
    assert list(sales.columns) == list(table.COLUMNS)


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (CHALLENGE, "asks whether you are a person"),
        (b"<html><body>Logga in</body></html>", "no __NEXT_DATA__"),
        (b'{"ROOT_QUERY": {"__typename', "not JSON, or cut off"),
        (b"[1, 2]", "no JSON object"),
        (b"{}", "no ROOT_QUERY"),
        (html({}), "no ROOT_QUERY"),
        (b'{"props": {"pageProps": {}}}', "no props.pageProps.__APOLLO_STATE__"),
        (html({"ROOT_QUERY": {}}), "neither a search nor a flat"),
        (html(state(flat(11), area="77104")), "all Sweden"),
        (html(state(flat(11, soldDate=None))), "no SoldProperty has a soldDate"),
        (html(state(flat(11, soldPrice=None), flat(12, soldPrice=None))), "format has changed"),
    ],
)
def test_a_page_that_is_none_is_refused_in_a_sentence(save, page, said):
    with pytest.raises(SourceError, match=said) as caught:
        save(a_html=page)
    assert str(caught.value).startswith("a.html: ")


def test_what_has_changed_is_counted(save, caplog):
    other = {"__typename": "Advert", "id": 1}
    page = state(flat(11, soldPriceType=None), flat(12, shown=("42 m²", "visning i dag")), other)
    sales = save(a_html=html(page))
    assert sales.attrs["drift"] == {
        "SoldProperty without soldPriceType": 1,
        "a result that is 'Advert'": 1,
    }
    assert "differ from those of July 2026" in caplog.text
    assert table.problems(sales)[0]["value"] == "visning i dag"


def test_a_sale_without_a_day_or_price_is_left_out_where_others_have_them(save):
    sales = save(a_html=html(state(flat(11), flat(12, soldPrice=None), flat(13, soldDate="snart"))))
    assert sales["sale_id"].tolist() == ["booli:11"]
    assert [problem["dropped"] for problem in table.problems(sales)] == [True, True]


def test_a_folder_of_pages_and_tables_is_one_source(save, tmp_path):
    save(a_html=html(state(flat(11))), b_json=state(flat(12)))
    (tmp_path / "notes.txt").write_text("no data")
    assert len(sources.read(str(tmp_path))) == 2
    assert len(sources.read(str(tmp_path / "a.html"))) == 1


KEYS = st.sampled_from(
    ["raw", "formatted", "__ref", "dataPoints", "value", "plainText", "region", "name", "label"]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["SoldProperty", "Listing", "2026-06-30", "42 m²", "4 000 000 kr"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(list(flat(1))), JSON, max_size=4), JSON)
def test_any_value_in_a_page_is_read_told_or_refused(changes, result):
    page = state(
        flat(11, **{name: v for name, v in changes.items() if name != "__typename"}), flat(12)
    )
    (search,) = (key for key in page["ROOT_QUERY"] if key.startswith("searchSold"))
    other = {"ROOT_QUERY": {search: result}}
    for document in (page, other):
        noted, drift = table.Problems(), booli_pages.Counter()
        data = json.dumps(document).encode()
        try:
            rows = booli_pages.page_rows(data, "a.html", date(2026, 7, 1), noted, drift)
        except SourceError:
            continue
        booli_pages.collected(rows, noted, drift, "booli_pages")
