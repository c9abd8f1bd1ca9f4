"""Where a visitor's flat is: houses of known sales, by address and by coordinates."""

import math

import pandas as pd
import pytest

from housing import places
from housing.places import HOUSE, POINT, STREET
from tests.housing.generated import complete, sales


@pytest.fixture(scope="module")
def atlas():
    """The houses of a made-up market, and of two streets of one name in two towns."""
    made = sales(400)
    twins = made.head(3).assign(
        street="storgatan", number=["1", "3", "8b"], municipality=["solna", "solna", "nacka"]
    )
    made.loc[0, ["latitude", "longitude"]] = float("nan")
    return places.survey(complete(pd.concat([made, twins], ignore_index=True)))


def test_an_address_is_found_however_it_is_spelt(atlas):
    for street in ("björkgatan", "BJÖRKGATAN", "  Björkg. "):
        spot = atlas.find(street, "3")
        assert (spot.street, spot.number, spot.precision) == ("björkgatan", "3", HOUSE)
        assert spot.latitude == pytest.approx(59.3043) and spot.district == "väster"


def test_a_house_that_nobody_sold_in_is_put_beside_the_nearest_of_its_street(atlas):
    spot = atlas.find("dungen", "140")
    assert (spot.precision, spot.number) == (STREET, "140")
    assert spot.latitude == pytest.approx(59.3 + 0.004 * 3 + 0.0011)


def test_a_letter_more_or_less_is_the_same_house(atlas):
    assert atlas.find("ekbacken", "3C").precision == HOUSE


def test_without_a_number_it_is_somewhere_on_the_street(atlas):
    assert atlas.find("furuplan").street == "furuplan"


@pytest.mark.parametrize("street", ["", "nowhere street", "unknown", "'; drop table", "😀" * 9])
def test_a_street_that_is_not_known_is_nowhere(atlas, street):
    assert atlas.find(street, "1") is None


def test_a_name_of_two_towns_takes_the_town(atlas):
    assert atlas.find("storgatan, nacka").municipality == "nacka"
    assert atlas.find("storgatan").municipality == "solna"
    assert atlas.find("storgatan, atlantis") is None
    assert {"Storgatan, Nacka", "Storgatan, Solna", "Dungen"} <= set(atlas.streets())


def test_every_street_that_is_offered_is_found(atlas):
    assert all(atlas.find(street) is not None for street in atlas.streets())
    assert len(atlas.streets(most=2)) == 2


def test_a_point_beside_a_house_is_that_house_and_one_in_the_sea_is_none(atlas):
    house = atlas.find("alvägen", "5")
    spot = atlas.at(house.latitude + 0.00003, house.longitude)
    assert (spot.street, spot.number, spot.precision) == ("alvägen", "5", POINT)
    assert spot.metres == pytest.approx(3.3, abs=0.3) and spot.elevator in (0.0, 1.0)
    far = atlas.at(house.latitude - 0.05, house.longitude)
    assert (far.street, far.number, far.district) == ("unknown", "unknown", "väster")
    assert far.metres > 5000 and math.isnan(far.elevator)


def test_sales_without_coordinates_have_streets_all_the_same():
    made = sales(50).assign(latitude=float("nan"), longitude=float("nan"))
    atlas = places.survey(made)
    assert atlas.nearest(59.3, 18.0) is None
    assert math.isnan(atlas.find("dungen").latitude)
    assert atlas.at(59.3, 18.0).municipality == "staden"
