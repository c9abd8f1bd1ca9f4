"""What a visitor sees in a browser. Every page opened here must load without an error message and
without asking another host; `open_page` looks after that."""

import re
import shutil

import httpx
import pytest
from playwright.sync_api import expect

import fti
from fti.embedded.project import Project
from iris import batch_inference_pipeline, feature_pipeline

PAGES = {
    "": "Serverless machine learning",
    "titanic": "Titanic: who was saved?",
    "titanic-monitor": "Titanic: who survives",
    "iris": "Iris: which variety?",
    "iris-monitor": "Iris: which variety",
    "aurora": "Aurora over Kiruna",
    "housing": "What is this flat worth?",
    "whisper": "Whisper",
    "guess-the-transcription": "Guess the transcription",
}
FIRST, SECOND = "2026-01-30", "2026-01-31"
PHONE = {"width": 390, "height": 844}


def settled(page):
    """Wait until a page shows what its app found."""
    shown = page.locator(".fti").filter(has_text=re.compile("The model|Model version"))
    expect(shown.last).to_be_visible()
    return page


def brightness(page):
    """Give how bright the page's background is, from 0 to 1."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / (3 * 255)


@pytest.mark.parametrize(("path", "heading"), PAGES.items())
def test_each_page_loads_and_links_to_the_others(open_page, hub, path, heading):
    page = settled(open_page(hub + path))
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    links = page.get_by_role("navigation").get_by_role("link").all()
    assert [link.get_attribute("href") for link in links] == [hub + path for path in PAGES]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_fits_a_phone_and_is_dark_in_the_dark(open_page, hub, path):
    page = settled(open_page(hub + path, viewport=PHONE, color_scheme="dark"))
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert brightness(page) < 0.15


def test_the_hub_s_endpoints_are_named_after_their_apps(hub):
    offered = httpx.get(f"{hub}gradio_api/info").json()["named_endpoints"]
    assert set(offered) == {
        "/health",
        *(f"/{name}_health" for name in ("titanic", "titanic_monitor", "iris", "iris_monitor")),
        *("/titanic_predict", "/iris_predict", "/titanic_monitor_metrics", "/iris_monitor_metrics"),
        *("/aurora_health", "/aurora_alert", "/aurora_forecast"),
        *("/housing_health", "/housing_value", "/housing_metrics"),
        *("/whisper_health", "/whisper_transcribe", "/guess_the_transcription_health"),
    }


def test_a_page_is_light_by_default(open_page, hub):
    assert brightness(settled(open_page(hub))) > 0.9


def test_the_front_page_leads_to_the_apps_and_says_how_they_are(open_page, hub):
    page = settled(open_page(hub))
    expect(page.get_by_text("Model version 1, accuracy")).to_have_count(2)
    expect(page.get_by_text("Model version 1, AUC")).to_have_count(1)
    expect(page.get_by_text("Model version 1, MAPE")).to_have_count(1)
    expect(page.get_by_text(f"Newest run: {FIRST}")).to_have_count(4)
    page.locator(".tile").get_by_role("link", name="Iris monitor").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(PAGES["iris-monitor"])


def test_a_lady_in_first_class_is_likelier_saved_than_a_labourer_in_third(open_page, hub):
    page = settled(open_page(f"{hub}titanic"))
    gauge = page.locator("figure.gauge")
    page.get_by_role("button", name="A lady in first class").click()
    expect(gauge).to_have_attribute("aria-label", re.compile(r" [89]\d%$"))
    page.get_by_role("button", name="A labourer, third class").click()
    expect(gauge).to_have_attribute("aria-label", re.compile(r" 1?\d%$"))
    expect(page.get_by_role("heading", name="Probably lost.")).to_be_visible()


def test_the_typical_setosa_is_a_setosa(open_page, hub):
    page = settled(open_page(f"{hub}iris"))
    expect(page.get_by_role("heading", name="versicolor")).to_be_visible()
    page.get_by_role("button", name="typical setosa").click()
    expect(page.get_by_role("heading", name="setosa")).to_have_text("Iris setosa, >99%")
    assert page.locator(".bars .number").all_inner_texts() == [">99%", "<1%", "<1%"]


@pytest.mark.parametrize("use_case", ["titanic", "iris"])
def test_the_monitor_shows_the_numbers_of_monitor_json(open_page, hub, filled, use_case):
    real = fti.read_published(Project(filled), use_case, "monitor.json")["real"]
    page = settled(open_page(f"{hub}{use_case}-monitor"))
    counts = page.locator("table.matrix td b").all_inner_texts()
    assert counts == [str(cell["n"]) for cell in real["confusion"]]
    for name, value in {
        "accuracy": f"{real['accuracy']:.3f}",
        "outcomes known": f"{real['outcomes']:,}",
    }.items():
        expect(page.locator(".tile", has_text=name).locator("b")).to_have_text(value)


@pytest.fixture
def quick_monitor(app, serve, filled, home):
    """The address of a monitor that looks twice a second at a project of this test."""
    shutil.copytree(filled, home)
    with serve(app("iris_monitor").build(fti.login(), every=0.5, ttl=0.1)) as address:
        yield address


def test_a_new_day_appears_without_a_reload(quick_monitor, open_page):
    page = settled(open_page(quick_monitor))
    expect(page.get_by_text(f"Newest run: {FIRST}")).to_be_visible()
    page.evaluate("window.untouched = true")
    feature_pipeline.main("sample", SECOND)
    batch_inference_pipeline.main(SECOND)
    expect(page.get_by_text(f"Newest run: {SECOND}")).to_be_visible()
    page.get_by_label("Synthetic flowers").click()
    expect(page.locator(".tile", has_text="outcomes known").locator("b")).to_have_text("2")
    assert page.evaluate("window.untouched")


@pytest.fixture
def empty_hub(app, serve, project):
    """The address of a hub whose project holds nothing."""
    with serve(app("hub").build(project)) as address:
        yield address


def test_a_project_without_results_says_what_to_run(empty_hub, open_page):
    page = open_page(empty_hub)
    expect(page.locator(".notice", has_text="python -m titanic")).to_be_visible()
    expect(page.locator(".notice", has_text="python -m iris")).to_be_visible()
    expect(page.locator(".notice", has_text="python -m aurora")).to_be_visible()
    expect(page.locator(".notice", has_text="python -m housing")).to_be_visible()
    for link in ("Titanic monitor", "Iris", "Aurora", "Housing", "Whisper"):
        page.get_by_role("navigation").get_by_role("link", name=link, exact=True).click()
        expect(page.locator(".notice.empty").first).to_contain_text("python -m")


def test_a_fare_that_no_ticket_cost_is_one_sentence(open_page, hub):
    page = settled(open_page(f"{hub}titanic"))
    page.get_by_label("Fare (pounds)").fill("-5")
    notice = page.locator(".notice.info")
    expect(notice).to_have_text(re.compile(r"fare must be a number from 0 to \d+[^.]*\.\s*$"))


@pytest.mark.parametrize("path", ["titanic?age=", "iris?sepal_length="])
def test_a_link_that_means_mischief_is_one_sentence(open_page, hub, path):
    page = settled(open_page(f"{hub}{path}<img src=x onerror=alert(1)>\"'"))
    expect(page.locator(".notice.info")).to_contain_text("must be a number")
    expect(page.locator("img[src=x]")).to_have_count(0)


def test_the_sky_shows_aurora_or_not_as_the_seed_s_tree_says(open_page, hub):
    page = settled(open_page(f"{hub}aurora"))
    page.get_by_role("tab", name="What if").click()
    sky = page.locator("svg[aria-label^='A drawn']")
    expect(sky).to_have_attribute("aria-label", re.compile("weather: "))
    page.get_by_label("snow", exact=True).click()
    expect(sky).to_have_attribute("aria-label", re.compile("weather: snow"))
    says = page.locator("p", has_text="whatever the hour").locator("b")
    seen = {"Aurora": "with green curtains of aurora", "No aurora": "without aurora"}
    assert seen[says.inner_text()] in sky.get_attribute("aria-label")


def test_a_click_on_the_map_values_the_flat_there(open_page, hub):
    page = settled(open_page(f"{hub}housing"))
    drawn = page.locator("#housing_map svg")
    expect(drawn).to_have_attribute("aria-label", re.compile("the flat: .*10 comparable sales"))
    link = page.locator("#housing_link textarea")
    expect(link).to_have_value(re.compile("street="))
    box = drawn.bounding_box()
    drawn.click(position={"x": box["width"] * 0.6, "y": box["height"] * 0.5})
    latitude, longitude = page.get_by_label("Latitude"), page.get_by_label("Longitude")
    expect(latitude).to_have_value(re.compile(r"59\.3\d+"))
    expect(longitude).to_have_value(re.compile(r"1[78]\.\d+"))
    expect(link).to_have_value(re.compile(f"latitude={latitude.input_value()}"))
    expect(page.get_by_text("Predicted price of the flat")).to_be_visible()


def test_a_place_can_be_given_without_a_mouse(open_page, hub):
    page = settled(open_page(f"{hub}housing"))
    expect(page.get_by_text("Predicted price of the flat")).to_be_visible()
    page.get_by_label("Latitude").fill("59.3344")
    expect(page.locator(".notice.info", has_text="belong together")).to_be_visible()
    page.get_by_label("Longitude").fill("18.0420")
    expect(page.locator(".notice.info", has_text="belong together")).to_have_count(0)
    expect(page.get_by_text("Predicted price of the flat")).to_be_visible()


def test_a_link_leads_to_the_same_value(open_page, hub):
    page = settled(open_page(f"{hub}housing"))
    price = page.locator(".tile", has_text="Predicted price of the flat").locator("b")
    expect(price).to_be_visible()
    page.get_by_label("Size (m²)").fill("81")
    link = page.locator("#housing_link textarea")
    expect(link).to_have_value(re.compile("living_area_m2=81"))
    again = settled(open_page(link.input_value()))
    expect(again.locator(".tile", has_text="Predicted price").locator("b")).to_have_text(
        price.inner_text()
    )
