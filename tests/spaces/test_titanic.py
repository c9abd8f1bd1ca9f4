"""The Titanic app: what it answers over HTTP, to links, to a visitor, and without a model."""

import math
import re

import gradio as gr
import httpx
import pytest
from gradio_client import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from fti import training, ui
from fti.embedded.project import Project
from fti.errors import UserError
from titanic import scoring
from titanic.features import TITLES

LADY = ["female", 1, 38, 1, 0, 80, "C", True, "Mrs"]
LABOURER = ["male", 3, 24, 0, 0, 8, "S", False, None]
STRANGER = ["female", 3, None, 0, 0, None, None, False, None]
SCRIPT = "%3Cscript%3Ewindow.broken%3D1%3C%2Fscript%3E"
PEOPLE = st.fixed_dictionaries(
    {
        "sex": st.sampled_from(["female", "male"]),
        "pclass": st.sampled_from([1, 2, 3]),
        "age": st.none() | st.integers(0, 320).map(lambda quarters: quarters / 4),
        "sibsp": st.integers(0, 8),
        "parch": st.integers(0, 6),
        "fare": st.none() | st.integers(0, 5_200_000).map(lambda parts: parts / 10_000),
        "embarked": st.sampled_from([None, "S", "C", "Q"]),
        "cabin": st.booleans(),
        "title": st.sampled_from([None, *TITLES]),
    }
)
ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just([1])


@pytest.fixture(scope="module")
def titanic(app):
    """The module of the app."""
    return app("titanic")


@pytest.fixture(scope="module")
def address(titanic, filled, serve):
    """The address of the app, serving the filled project."""
    with serve(titanic.build(Project(filled))) as address:
        yield address


@pytest.fixture(scope="module")
def reader(filled):
    """Reads the filled project."""
    return ui.Reader(Project(filled))


@pytest.fixture
def given_to(titanic):
    """A function that gives what `checked` takes: START, but for what is named."""
    return lambda **changed: vars(titanic.START) | changed


def ask(address, values):
    return httpx.post(f"{address}gradio_api/run/predict", json={"data": values}, timeout=60)


def answered(address, values):
    return ask(address, values).json()["data"][0]


# The endpoint


def test_a_lady_in_first_class_is_likelier_saved_than_a_labourer(address):
    lady, labourer = answered(address, LADY), answered(address, LABOURER)
    assert lady["probability"] > 0.8 and lady["survives"] is True
    assert labourer["probability"] < 0.3 and labourer["survives"] is False
    assert lady["model_version"] == labourer["model_version"] == 1


@pytest.mark.parametrize("values", [LADY, LABOURER, STRANGER])
def test_contributions_add_up_from_the_base_to_the_probability(address, values):
    answer = answered(address, values)
    assert set(answer["contributions"]) == set(scoring.INPUTS)
    added = answer["base"] + sum(answer["contributions"].values())
    assert added == pytest.approx(answer["probability"])


def test_the_probability_is_the_registered_models(titanic, reader):
    model = reader.model("titanic")
    features = titanic.features_of(titanic.START)
    expected = scoring.probabilities(scoring.load_scorer(model.folder), features)[0]
    assert titanic.predict(model, features)["probability"] == pytest.approx(expected)


def test_what_is_left_out_is_not_known(address, titanic):
    client = Client(address, verbose=False)
    assert client.predict("female", 3, api_name="/predict") == answered(address, STRANGER)


@pytest.mark.parametrize(
    ("place", "wrong", "sentence"),
    [
        (0, "<script>", "sex must be one of female, male."),
        (1, 4, "pclass must be one of 1, 2, 3."),
        (1, True, "pclass must be one of 1, 2, 3."),
        (2, 81, "age must be a number from 0 to 80 (years), or unknown."),
        (2, [29], "age must be a number from 0 to 80 (years), or unknown."),
        (3, 1.5, "sibsp must be a whole number from 0 to 8 (siblings and spouses aboard)."),
        (4, None, "parch must be a whole number from 0 to 6 (parents and children aboard)."),
        (5, 10**400, "fare must be a number from 0 to 520 (pounds), or unknown."),
        (6, "X", "embarked must be one of S, C, Q, unknown."),
        (7, "C85", "cabin must be one of no, yes."),
        (8, "Dr", "title must be one of auto, Mr, Mrs, Miss, Master, officer, noble."),
        (8, "Mr", "title Mr does not go with sex female: change one of them."),
    ],
)
def test_nonsense_is_answered_with_one_sentence(address, place, wrong, sentence):
    response = ask(address, [*LADY[:place], wrong, *LADY[place + 1 :]])
    assert response.status_code == 500
    assert response.json()["error"] == sentence


def test_clients_find_the_endpoints_that_give_data_and_no_other(address):
    described = httpx.get(f"{address}gradio_api/info").json()["named_endpoints"]
    assert set(described) == {"/predict", "/health"}


def test_health_names_the_version_that_answers(address):
    answer = httpx.post(f"{address}gradio_api/run/health", json={"data": []}).json()["data"][0]
    assert answer["status"] == "ok" and answer["models"] == {"titanic": 1}


# Who may be asked about


@settings(deadline=None)
@given(st.sampled_from(["sex", "pclass", "age", "sibsp", "fare", "embarked", "title"]), ANYTHING)
def test_whatever_is_given_a_passenger_or_a_sentence_comes_out(titanic, field, anything):
    try:
        passenger = titanic.checked(vars(titanic.START) | {field: anything})
    except UserError as error:
        assert str(error).startswith(f"{field} ") and str(error).endswith(".")
    else:
        assert passenger.pclass in (1, 2, 3) and passenger.sex in ("female", "male")
        assert passenger.age is None or (math.isfinite(passenger.age) and 0 <= passenger.age <= 80)


@pytest.mark.parametrize("changed", [{"title": "Master", "age": 40}, {"title": "Mrs"}])
def test_a_title_goes_with_sex_and_age(titanic, given_to, changed):
    with pytest.raises(UserError, match="title M"):
        titanic.checked(given_to(sex="male", **changed))


def test_the_examples_are_passengers_of_all_classes(titanic):
    assert all(titanic.checked(vars(one)) == one for one in titanic.EXAMPLES.values())
    assert {one.pclass for one in titanic.EXAMPLES.values()} == {1, 2, 3}


def test_the_passengers_compared_with_stand_for_all(titanic, reader):
    folder = reader.model("titanic").folder
    scorer, people = titanic.known(folder, 1)
    assert len(people) == scoring.REFERENCE_PEOPLE and "survived" not in people
    everybody = scoring.probabilities(scorer, training.read_reference(folder)).mean()
    assert scoring.probabilities(scorer, people).mean() == pytest.approx(everybody, abs=0.03)


# Links and inputs


@settings(deadline=None)
@given(PEOPLE)
def test_a_link_names_its_passenger_exactly(titanic, values):
    passenger = titanic.Passenger(**values)
    query = httpx.QueryParams(titanic.link(passenger)[1:])
    assert titanic.read_link(query) == (values, [])


@settings(deadline=None)
@given(PEOPLE)
def test_the_inputs_show_a_passenger_exactly(titanic, values):
    passenger = titanic.Passenger(**values)
    try:
        assert titanic.out_of_inputs(*titanic.in_inputs(passenger)) == passenger
    except UserError as error:
        assert str(error).startswith("title ")


@pytest.mark.parametrize("text", ["nan", "inf", "5e0", " 5", "5_0", "٥", "+5", "5.", "0x5", "-1"])
def test_a_link_is_read_strictly(titanic, text):
    assert titanic.read_link({"age": text, "sibsp": text}) == ({}, ["age", "sibsp"])


def test_what_a_link_does_not_name_stays_as_it_is(titanic):
    assert titanic.read_link({"__theme": "dark", "age": "30"}) == ({"age": 30.0}, [])


def test_what_a_link_leaves_out_is_not_known(titanic):
    request = gr.Request(query_params={"sex": "male", "pclass": "1", "age": "-1"})
    *shown, introduction = titanic.from_link(request)
    assert titanic.out_of_inputs(*shown) == titanic.Passenger(sex="male", pclass=1)
    assert "age must be a number from 0 to 80" in introduction


# The page


def test_the_page_says_how_good_the_model_is_beside_others(titanic, reader):
    about = titanic.show_model(reader)
    for said in ("this model", "best student project", "always the same guess", "Version 1"):
        assert said in about


def test_without_a_model_the_page_says_so_and_still_draws_the_passenger(titanic, project):
    reader = ui.Reader(project)
    answer, _ = titanic.show(reader, *titanic.in_inputs(titanic.START))
    assert "Nothing here yet" in answer and "python -m titanic" in answer
    assert "Drawing of a young woman" in answer
    assert titanic.show_model(reader) == ""


def test_a_project_that_does_not_answer_is_said_to_be_unreachable(titanic):
    answer, _ = titanic.show(ui.Reader(object()), *titanic.in_inputs(titanic.START))
    assert "Cannot be reached" in answer


def test_building_the_app_reads_nothing(titanic, home):
    titanic.build(api_prefix="titanic_")
    assert not home.exists()


@pytest.mark.parametrize(
    ("probability", "said"),
    [
        (0.97, "Very probably saved."),
        (0.55, "Hard to tell, rather saved."),
        (0.2, "Probably lost."),
    ],
)
def test_a_verdict_is_no_surer_than_its_probability(titanic, probability, said):
    assert titanic.verdict(probability) == said


@pytest.mark.parametrize("path", ["", "titanic"])
def test_a_link_opens_its_passenger_and_every_change_makes_another(address, hub, open_page, path):
    start = hub + path if path else address
    page = open_page(f"{start}?sex=male&pclass=1&age=9&title=Master")
    page.wait_for_selector("svg[aria-label='Drawing of a boy, first class, age 9']")
    page.get_by_label("Age not known").check()
    page.wait_for_selector("svg[aria-label='Drawing of a man, first class, age unknown']")
    page.get_by_label("female").check()
    page.wait_for_selector("text=title Master does not go with sex female")
    page.get_by_text("A clergyman, second class").click()
    page.wait_for_selector("svg[aria-label^='Drawing of an older man, second class, age 51']")
    page.wait_for_function(
        "start => document.querySelector('#titanic_link textarea').value.startsWith(start)",
        arg=f"{start}?sex=male&pclass=2&age=51&",
    )


def test_markup_in_a_link_is_refused_and_never_runs(address, open_page):
    page = open_page(f"{address}?sex={SCRIPT}&age={SCRIPT}&{SCRIPT}={SCRIPT}")
    page.wait_for_selector("text=Part of the link was left out")
    page.wait_for_selector("svg[aria-label='Drawing of a young woman, third class, age 22']")
    assert page.evaluate("window.broken") is None


def test_the_first_click_counts_even_while_the_page_loads(address, open_page):
    page = open_page(address)
    page.get_by_label("male", exact=True).check()
    page.wait_for_selector("svg[aria-label='Drawing of a young man, third class, age 22']")
    page.wait_for_function(
        "wanted => document.querySelector('#titanic_link textarea').value.includes(wanted)",
        arg="sex=male",
    )


def test_on_a_phone_the_page_is_as_wide_as_the_screen(address, open_page):
    page = open_page(address, viewport={"width": 390, "height": 844})
    page.wait_for_selector("text=always the same guess")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert re.search(r"\d%", page.locator(".gauge").inner_text())
