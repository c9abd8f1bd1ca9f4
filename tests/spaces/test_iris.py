"""The iris app: what it answers over HTTP, to links, to sliders, and while there is no model."""

import math

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fti import ui
from fti.embedded.project import Project
from fti.errors import UserError
from iris.features import LIMITS, MEASUREMENTS

SETOSA, VIRGINICA = (5.0, 3.4, 1.5, 0.2), (6.5, 3.0, 5.6, 2.0)
GAP = (5.5, 3.1, 2.6, 0.7)  # no known flower lies between setosa and versicolor
TENTHS = st.tuples(
    *(st.integers(round(10 * low), round(10 * high)) for low, high in LIMITS.values())
)
SCRIPT = "%3Cscript%3Ewindow.broken%3D1%3C%2Fscript%3E"


@pytest.fixture(scope="module")
def iris(app):
    """The module of the app."""
    return app("iris")


@pytest.fixture(scope="module")
def address(iris, filled, serve):
    """The address of the app, serving the filled project."""
    with serve(iris.build(Project(filled))) as address:
        yield address


@pytest.fixture(scope="module")
def reader(filled):
    """Reads the filled project."""
    return ui.Reader(Project(filled))


def predict(address, *numbers):
    return httpx.post(f"{address}gradio_api/run/predict", json={"data": numbers}, timeout=30)


def measured(numbers):
    return dict(zip(MEASUREMENTS, numbers, strict=True))


def query(numbers):
    return "&".join(f"{name}={number}" for name, number in measured(numbers).items())


# The endpoint


@pytest.mark.parametrize("numbers", [SETOSA, VIRGINICA])
def test_a_typical_flower_is_recognised(address, numbers):
    answer = predict(address, *numbers).json()["data"][0]
    assert answer["variety"] == {SETOSA: "setosa", VIRGINICA: "virginica"}[numbers]
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert answer["probabilities"][answer["variety"]] == max(answer["probabilities"].values())
    assert answer["model_version"] == 1
    assert answer["unlike_known"] is False


@pytest.mark.parametrize(
    "wrong", ["abc", None, True, "5.0", 0.0, 99, -1, 10**400, [5.0], {"a": 1}, "<script>"]
)
def test_nonsense_is_answered_with_one_sentence(address, wrong):
    response = predict(address, *SETOSA[:2], wrong, SETOSA[3])
    assert response.status_code == 500
    assert response.json()["error"] == "petal_length must be a number from 1.0 to 7.0 (cm)."


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_json_calls_a_number_is_not_always_one(address, literal):
    body = f'{{"data": [{literal}, 3, 4, 1]}}'
    headers = {"content-type": "application/json"}
    response = httpx.post(f"{address}gradio_api/run/predict", content=body, headers=headers)
    assert response.json()["error"] == "sepal_length must be a number from 4.3 to 8.0 (cm)."


def test_clients_find_the_endpoints_that_give_data_and_no_other(address):
    described = httpx.get(f"{address}gradio_api/info").json()["named_endpoints"]
    assert set(described) == {"/predict", "/health"}
    parameters = described["/predict"]["parameters"]
    assert [parameter["parameter_name"] for parameter in parameters] == MEASUREMENTS


@given(st.one_of(st.floats(), st.integers(), st.text(), st.booleans(), st.none()))
def test_only_finite_numbers_within_the_limits_pass(iris, value):
    try:
        found = iris.checked((value, 3.0, 4.0, 1.0))
    except UserError as error:
        assert str(error) == "sepal_length must be a number from 4.3 to 8.0 (cm)."
    else:
        assert 4.3 <= found["sepal_length"] <= 8 and math.isfinite(value)


# Links


@given(TENTHS)
def test_a_link_names_its_flower_exactly(iris, tenths):
    numbers = tuple(tenth / 10 for tenth in tenths)
    assert iris.read_link(dict(httpx.QueryParams(query(numbers)))) == numbers


@given(st.text())
def test_whatever_a_link_says_a_flower_within_the_limits_or_a_sentence_comes_out(iris, text):
    try:
        found = iris.read_link(measured((text, "3.4", "1.5", "0.2")))
    except UserError as error:
        assert str(error).startswith("sepal_length must be a number")
    else:
        assert 4.3 <= found[0] <= 8


@pytest.mark.parametrize("text", ["nan", "inf", "5e0", " 5", "5_0", "٥", "+5", "5.", "0x5", "99"])
def test_a_link_is_read_strictly(iris, text):
    with pytest.raises(UserError, match="sepal_length must be a number"):
        iris.read_link(measured((text, "3.4", "1.5", "0.2")))


def test_what_a_link_leaves_out_is_that_of_a_typical_flower(iris):
    assert iris.read_link({"__theme": "dark"}) == iris.START
    assert iris.read_link({"petal_width": "1.5"}) == (*iris.START[:3], 1.5)


# Unlike any known flower


@pytest.fixture(scope="module")
def known(iris, reader):
    """The flowers that travel with the model."""
    return iris.known_flowers(reader.model("iris").folder)


def test_no_known_flower_is_unlike_the_known_ones(known):
    for _, flower in known.flowers.iterrows():
        nearest, distance = known.nearest(flower)
        assert distance == 0 < known.spacing
        assert list(nearest[MEASUREMENTS]) == list(flower[MEASUREMENTS])


def test_a_flower_between_the_varieties_is_unlike_any(iris, reader, known):
    found = iris.classify(reader.model("iris"), measured(GAP))
    assert found["unlike_known"] and found["known_distance"] > known.spacing
    answer, _ = iris.show(reader, *GAP)
    assert "Unlike any known flower" in answer
    assert "Unlike any known flower" not in iris.show(reader, *SETOSA)[0]


def test_distances_do_not_depend_on_the_unit(iris, known):
    inches = known.flowers.assign(**(known.flowers[MEASUREMENTS] / 2.54))
    other = iris.Known.of(inches)
    assert other.spacing == pytest.approx(known.spacing)
    in_inches = measured(number / 2.54 for number in GAP)
    assert other.nearest(in_inches)[1] == pytest.approx(known.nearest(measured(GAP))[1])


# The page


def test_the_page_says_how_good_the_model_is_beside_simpler_ones(iris, reader):
    about = iris.show_model(reader)
    for said in ("this model", "2 nearest neighbours", "always the same guess", "Version 1"):
        assert said in about


def test_without_a_model_the_page_says_so_and_still_draws_the_flower(iris, project):
    reader = ui.Reader(project)
    answer, among = iris.show(reader, *SETOSA)
    assert "Nothing here yet" in answer and "python -m iris" in answer
    assert 'aria-label="An iris: sepals 5 cm long' in answer
    assert among == iris.show_model(reader) == ""


def test_a_project_that_does_not_answer_is_said_to_be_unreachable(iris):
    answer, _ = iris.show(ui.Reader(object()), *SETOSA)
    assert "Cannot be reached" in answer
    assert "object" not in answer


def test_building_the_app_reads_nothing(iris, home):
    iris.build(api_prefix="iris_")
    assert not home.exists()


def test_a_link_opens_its_flower_and_examples_and_sliders_redraw_it(address, open_page):
    page = open_page(f"{address}?{query(VIRGINICA)}")
    page.wait_for_selector("svg[aria-label^='Iris virginica: sepals 6.5 cm long']")
    page.get_by_text("typical setosa").click()
    page.wait_for_selector("svg[aria-label^='Iris setosa']")
    page.locator("#iris_petal_length input[type=range]").fill("1.9")
    page.wait_for_selector("svg[aria-label*='petals 1.9 cm long']")


@pytest.mark.parametrize("path", ["", "iris"])
def test_the_link_shown_leads_back_to_the_flower_also_in_the_hub(address, hub, open_page, path):
    start = hub + path if path else address
    page = open_page(f"{start}?{query(SETOSA)}")
    page.wait_for_selector("svg[aria-label^='Iris setosa']")
    page.locator("#iris_petal_length input[type=range]").fill("1.9")
    link = f"{start}?sepal_length=5&sepal_width=3.4&petal_length=1.9&petal_width=0.2"
    page.wait_for_function(
        "wanted => document.querySelector('#iris_link textarea').value === wanted", arg=link
    )
    open_page(link).wait_for_selector("svg[aria-label*='petals 1.9 cm long']")


def test_markup_in_a_link_is_refused_and_never_runs(address, open_page):
    page = open_page(f"{address}?sepal_length={SCRIPT}&sepal_width={SCRIPT}")
    page.wait_for_selector("text=The link names no flower")
    page.wait_for_selector("svg[aria-label^='Iris versicolor']")
    assert page.evaluate("window.broken") is None


def test_on_a_phone_the_page_is_as_wide_as_the_screen(address, open_page):
    page = open_page(f"{address}?__theme=dark", viewport={"width": 390, "height": 844})
    page.wait_for_selector("text=always the same guess")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
