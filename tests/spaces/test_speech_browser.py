"""Speech through the whole app: a Chromium whose microphone hears words, and a model that knows
them. No page may err or ask another host."""

import base64
import re
from urllib.parse import urljoin, urlsplit

import pytest
from playwright.sync_api import expect

from tests.spaces import speaking
from tests.spaces.conftest import HERE, PATIENCE
from tests.spaces.test_guess import ANSWER, CLUE, film

PHONE = {"width": 390, "height": 844}


@pytest.fixture
def opened(speaker):
    """A function that opens a page with a microphone that hears words."""
    browsers, problems = [], []

    def opened(address, *words, **options):
        browsers.append(speaker(*words))
        context = browsers[-1].new_context(permissions=["microphone"], **options)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: note(request.url))
        page.goto(address)
        return page

    def note(url):
        if urlsplit(url).hostname not in (HERE, None):
            problems.append(f"asked {url}")

    yield opened
    for browser in browsers:
        browser.close()
    assert not problems


@pytest.fixture(scope="module")
def whisper(app, speaking_project, serve):
    """The address of the speech app."""
    with serve(app("whisper").build(speaking_project)) as address:
        yield address


@pytest.fixture
def hub_page(app, speaking_project, serve):
    """The address of the page of the speech app in a hub."""
    with serve(app("hub").build(speaking_project)) as address:
        yield f"{address}whisper"


@pytest.fixture(scope="module")
def game(app, speaking_project, serve):
    """The address of the game."""
    with serve(app("guess_the_transcription").build(speaking_project)) as address:
        yield address


def settle(page):
    """Wait for the recorder: gradio 6.31 loads it after the page, and errs if clicked before.

    It is there once its encoder, a worker, has answered.
    """
    if not page.workers:
        page.wait_for_event("worker")
    page.workers[0].evaluate("0")
    page.evaluate("new Promise(requestAnimationFrame)")


def record(page, name, until):
    """Record from the microphone until something is true of the page."""
    settle(page)
    page.locator(f"{name} .record-button").click()
    until()
    page.locator(f"{name} .stop-button").click()


def downloaded(page, ending):
    """Give the text of a file that the page offers."""
    link = page.locator(f"a[download$='.{ending}']:visible")
    return base64.b64decode(link.get_attribute("href").partition("base64,")[2]).decode()


def test_words_appear_while_they_are_spoken(opened, whisper):
    page = opened(whisper, "river", "garden")
    said = page.locator("#whisper_said")
    live = page.locator("#whisper_said [aria-live]")
    heard = re.compile("(river garden|garden river)")
    more = re.compile(f"{heard.pattern} (river|garden)")  # so that those before are over
    record(page, "#whisper_microphone", lambda: expect(live).to_have_text(more, timeout=PATIENCE))
    expect(said.get_by_text("Take it with you")).to_be_visible()
    expect(said).to_contain_text("in English")
    # A word at either end may be cut in two by the buttons.
    assert heard.search(" ".join(downloaded(page, "txt").split()))


def test_subtitles_are_shown_on_a_video(opened, whisper, tmp_path):
    page = opened(whisper, "moon", viewport={"width": 1100, "height": 900})
    page.get_by_role("tab", name="Video").click()
    path = film(tmp_path / "film.mp4")
    page.locator("#whisper_video input[type=file]").set_input_files(path)
    expect(page.locator("#whisper_video video")).to_be_visible()
    page.locator("#whisper_video_go").click()
    track = page.locator("#whisper_video track")
    expect(track).to_have_attribute("src", re.compile("subtitles.vtt"))
    shown = page.request.get(track.get_attribute("src")).text()
    assert shown == downloaded(page, "vtt")
    assert re.findall(r"^[a-z]+$", shown, re.MULTILINE) == CLUE + ANSWER
    expect(page.locator("#whisper_video_go")).to_be_enabled()
    expect(page.locator("#whisper_video_cancel")).to_be_disabled()
    page.get_by_label("Clear").locator("visible=true").click()
    page.locator("#whisper_video input[type=file]").set_input_files(path)
    expect(page.locator("#whisper_video video")).to_be_visible()
    expect(page.locator("#whisper_video track[src*=subtitles]")).to_have_count(0)


def test_a_file_is_written_down_and_taken_away_on_a_phone(opened, whisper, tmp_path):
    page = opened(whisper, "moon", viewport=PHONE, color_scheme="dark")
    page.get_by_role("tab", name="Audio file").click()
    path = tmp_path / "talk.wav"
    path.write_bytes(speaking.as_wav(speaking.spoken(["seven", "horse"])))
    page.locator("#whisper_audio input[type=file]").set_input_files(path)
    page.locator("#whisper_audio_go").click()
    expect(page.locator("#whisper_audio_text .said p")).to_have_text(
        [re.compile("seven$"), re.compile("horse$")]
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert downloaded(page, "srt").startswith("1\n00:00:00,")
    with page.expect_download() as download:
        page.locator("a[download$='.txt']:visible").click()
    assert download.value.suggested_filename == "talk.txt"


def test_an_address_into_this_machine_is_one_sentence(opened, whisper):
    page = opened(whisper, "moon")
    page.get_by_role("tab", name="Web address").click()
    page.get_by_label("Address of a sound").fill("https://127.0.0.1/talk.mp3")
    page.locator("#whisper_web_go").click()
    notice = page.locator("#whisper_web_text .notice.info")
    expect(notice).to_contain_text("names a number in place of a host")


@pytest.mark.parametrize("where", ["whisper", "hub_page"])
def test_what_a_visitor_sent_is_gone_when_the_page_is_closed(opened, where, request, tmp_path):
    page = opened(address := request.getfixturevalue(where), "moon")
    page.get_by_role("tab", name="Audio file").click()
    path = tmp_path / "mine.wav"
    path.write_bytes(speaking.as_wav(speaking.spoken(["window", "moon", "window"])))
    with page.expect_response(re.compile(r"/upload(\?|$)")) as uploaded:
        page.locator("#whisper_audio input[type=file]").set_input_files(path)
    sent = urljoin(address, f"/gradio_api/file={uploaded.value.json()[0]}")
    page.locator("#whisper_audio_go").click()
    expect(page.locator("#whisper_audio_text .said p")).to_have_count(3)
    other = page.context.browser.new_context().new_page()
    assert other.request.get(sent).status == 200
    page.close()
    for _ in range(100):
        if other.request.get(sent).status in (403, 404):
            return
        other.wait_for_timeout(100)
    raise AssertionError(f"{sent} is still there")


def test_two_players_play_a_round_through_the_microphone(opened, game, tmp_path):
    page = opened(game, "horse", "garden", viewport={"width": 900, "height": 1200})
    page.get_by_role("tab", name="Your video").click()
    path = film(tmp_path / "film.mp4", second=["horse", "garden"])
    page.locator("#guess_video input[type=file]").set_input_files(path)
    expect(page.locator("#guess_video video")).to_be_visible()
    page.locator("#guess_send").click()
    step = page.locator("#guess_step")
    expect(step).to_contain_text(" ".join(CLUE))
    expect(page.locator("#guess_first video")).to_be_visible()
    expect(page.locator("#guess_video video")).to_have_count(0)
    guess = page.get_by_label("What was heard")

    expect(step).to_contain_text("Player 1: what comes next?")
    record(page, "#guess_microphone", lambda: page.wait_for_timeout(3500))
    expect(guess).to_have_value(re.compile("horse|garden"))
    guess.fill("horse garden")  # as it was said: where the microphone began is chance
    page.locator("#guess_lock").click()

    expect(step).to_contain_text("Player 2: what comes next?")
    expect(guess).to_have_value("")
    assert "horse" not in page.locator("body").inner_text()
    guess.fill("horse moon")
    page.locator("#guess_lock").click()
    assert page.locator("#guess_second video").count() == 0
    page.locator("#guess_reveal").click()
    expect(step).to_contain_text("Player 1 wins!")
    expect(step).to_contain_text("Player 1: 100 % match")
    expect(step).to_contain_text("Player 2: 50 % match")
    expect(page.locator("#guess_second video")).to_be_visible()
    expect(page.locator("#guess_points")).to_contain_text("100")

    page.locator("#guess_again").click()
    expect(page.locator("#guess_send")).to_be_visible()
    expect(page.locator("#guess_second video")).to_have_count(0)


def test_a_clip_of_ours_plays_on_a_phone_and_other_tabs_have_their_own_game(opened, game):
    page = opened(game, "moon", viewport=PHONE)
    page.locator("#guess_own").click()
    expect(page.locator("#guess_step")).to_contain_text("Player 1: what comes next?")
    expect(page.locator("#guess_first video")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    other = page.context.new_page()
    other.goto(game)
    expect(other.locator("#guess_own")).to_be_visible()
    expect(other.locator("#guess_first")).not_to_be_visible()
