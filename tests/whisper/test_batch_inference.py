"""What is found, what is new, what is stored, and what a page shows of it; without a model."""

import json
import math
import os
import re
import shutil
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from fti import quality
from fti.errors import SourceError
from tests import loopback
from tests.whisper import corpora
from whisper import batch_inference_pipeline as pipeline
from whisper import recordings, report, summary, transcribing, weekly
from whisper.recordings import Waiting
from whisper.registry import Fetched
from whisper.transcribing import Job, Outcome
from whisper.web import Guard

DAY = date(2026, 11, 16)
MODEL = Fetched(3, Path("model"), {"error_rate": 0.1}, {"languages": ["sv"]})
EVIL = "</script><script>document.title='evil'</script><img src=x onerror=alert(1)>"


def waiting(number, **more):
    return Waiting(**{"recording_id": f"r{number}", "title": f"Talk {number}", "place": "a"} | more)


def job(number, **more):
    return Job(recording=waiting(number, **more), model="model")


def outcome(number, text="hej då", **more):
    segments = ({"start": 1.5, "end": 3.0, "text": text, "marks": ()},)
    told = {"recording_id": f"r{number}", "text": text, "segments": segments, "language": "sv"}
    return Outcome(**told | {"seconds": 60.0, "compute_seconds": 6.0} | more)


def stored(*numbers, version=3, day=DAY, **more):
    """Give rows as they are stored."""
    jobs = [job(number, **more) for number in numbers]
    return transcribing.table(jobs, [outcome(number) for number in numbers], version, day)


# What is found


def test_a_folder_gives_its_sound_and_video_with_what_is_known_to_be_said(tmp_path):
    sound = corpora.written(corpora.sound(0.2))
    corpora.metadata_folder(tmp_path, [["clips/0.wav", "hej då", "a"], ["clips/1.wav", "nej", "a"]])
    (tmp_path / "b.MP3").write_bytes(sound + b"b")
    (tmp_path / "b.txt").write_text("\ufeffbeside it\n", encoding="utf-8")
    (tmp_path / "notes.pdf").write_bytes(b"no sound")
    found = recordings.find(str(tmp_path))
    assert [(one.title, one.reference) for one in found] == [
        ("b.MP3", "beside it"), ("clips/0.wav", "hej då"), ("clips/1.wav", "nej"),
    ]  # fmt: skip
    assert all(one.is_file and Path(one.place).is_file() for one in found)


def test_a_recording_is_the_same_wherever_its_file_is(tmp_path):
    for name in ("a.wav", "deep/copy.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"the same bytes")
    (found,) = recordings.find(str(tmp_path))
    (tmp_path / "a.wav").unlink()
    assert recordings.find(str(tmp_path))[0].recording_id == found.recording_id
    (tmp_path / "deep/copy.wav").write_bytes(b"other bytes")
    assert recordings.find(str(tmp_path))[0].recording_id != found.recording_id


def test_a_list_gives_its_addresses(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("# talks\nhttps://a.example/1.mp3\n\nhttps://a.example/1.mp3\nhttps://b.c/2\n")
    found = recordings.find(str(path))
    assert [one.place for one in found] == ["https://a.example/1.mp3", "https://b.c/2"]
    assert not found[0].is_file
    path.write_text("https://a.example/1.mp3\n/etc/passwd\n")
    with pytest.raises(SourceError, match=r"address 2, '/etc/passwd', is not https://"):
        recordings.find(str(path))


def test_a_feed_gives_its_episodes():
    item = "<item><guid>g</guid><title>E</title><enclosure url='https://a.b/c.mp3'/></item>"
    with loopback.serving() as service:
        rss = f"<rss version='2.0'><channel><language>sv</language>{item}</channel></rss>"
        url = service.answer("/feed", rss.encode(), Content_Type="text/xml")
        guard = Guard(frozenset({service.address.removeprefix("http://")}))
        (found,) = recordings.find(url, guard)
    assert (found.title, found.place, found.language) == ("E", "https://a.b/c.mp3", "sv")


@pytest.mark.parametrize("where", ["nowhere", ""])
def test_a_place_without_recordings_is_said(tmp_path, monkeypatch, where):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match="there is no"):
        recordings.find(where or str(tmp_path))


def test_a_translation_is_another_recording_than_the_transcript(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"a")
    ids = [
        pipeline.waiting(str(tmp_path), task, Guard())[0].recording_id
        for task in transcribing.TASKS
    ]
    assert ids[1] == f"{ids[0]}-en"


# What is stored


def test_only_recordings_without_a_transcript_are_new():
    found = [waiting(number) for number in range(3)]
    known = pd.concat([stored(0, version=2), stored(1, version=3)])
    assert transcribing.pending(found, pd.DataFrame(), None) == found
    assert transcribing.pending(found, known, None) == found[2:]
    assert transcribing.pending(found, known, 3) == [found[0], found[2]]


def test_rows_are_what_the_schema_says_and_problems_make_none():
    jobs = [job(0, reference="Hej, då!"), job(1), job(2)]
    outcomes = [outcome(1), Outcome(recording_id="r2", problem="It is damaged."), outcome(0)]
    made = transcribing.table(jobs, outcomes, 3, DAY)
    assert quality.check(made, transcribing.schema(), "rows").equals(made)
    assert made["recording_id"].tolist() == ["r0", "r1"]
    assert made["wer"].tolist() == pytest.approx([0.0, math.nan], nan_ok=True)
    assert made["transcribed_at"].tolist() == [pd.Timestamp("2026-11-16", tz="UTC")] * 2
    assert json.loads(made["segments"][0])[0]["start"] == 1.5


def test_neither_keys_in_addresses_nor_folders_of_the_machine_are_stored(tmp_path):
    jobs = [job(0, place="https://a.b/c.mp3?key=secret"), job(1, place=str(tmp_path / "d.wav"))]
    made = transcribing.table(jobs, [outcome(0), outcome(1)], 3, DAY)
    assert made["place"].tolist() == ["https://a.b/c.mp3?...", "d.wav"]


@pytest.mark.parametrize(
    ("said", "heard", "language", "expected"),
    [
        ("Ett, två tre fyra.", "ett två fem fyra", "sv", (0.25, math.nan)),
        ("你好世界", "你好世间", "zh", (math.nan, 0.25)),
        ("", "something", "sv", (math.nan, math.nan)),
        ("...", "something", "sv", (math.nan, math.nan)),
        ("ett", "ett två tre", "sv", (2.0, math.nan)),
    ],
)
def test_errors_are_counted_as_the_language_is_written(said, heard, language, expected):
    found = transcribing.error_rates(said, heard, language)
    assert (found["wer"], found["cer"]) == pytest.approx(expected, nan_ok=True)


# The weekly score


def scores(rates, versions=(3, 3), data=("a", "a"), language="sv"):
    """Give the rows of weekly scores."""
    count = len(rates)
    return pd.DataFrame(
        {
            "model_version": list(versions)[:count],
            "language": language,
            "evaluated_at": pd.date_range("2026-11-02", periods=count, freq="7D", tz="UTC"),
            "measure": "wer",
            "error_rate": rates,
            "error_rate_low": [rate - 0.02 for rate in rates],
            "error_rate_high": [rate + 0.02 for rate in rates],
            "clips": 500,
            "hours": 1.0,
            "heard_in_silence": 0.0,
            "seconds": 9.0,
            "data": list(data)[:count],
        }
    )


def test_a_drop_is_said_with_what_changed():
    (said,) = weekly.drops(scores([0.10, 0.15], versions=(3, 4)), {})
    assert said == (
        "sv: of 500 clips, 15.0% of the words are wrong; on 2026-11-02 (version 3) it was 10.0% "
        "(8.0% to 12.0%)."
    )
    assert "other clips" in weekly.drops(scores([0.10, 0.15], data=("a", "b")), {})[0]


@pytest.mark.parametrize("rates", [[0.10], [0.10, 0.10], [0.15, 0.10], [0.10, 0.115]])
def test_what_lies_within_the_interval_is_no_drop(rates):
    assert weekly.drops(scores(rates), {}) == []


def test_the_first_score_is_held_against_the_registration():
    registered = {"error_rate": 0.05, "error_rate_low": 0.03, "error_rate_high": 0.07}
    (said,) = weekly.drops(scores([0.10], language="all"), registered)
    assert said.startswith(
        "all: of 500 clips, 10.0% of the words are wrong; when it was registered"
    )


def test_a_score_is_due_after_a_week_and_for_another_model_or_other_clips():
    known = scores([0.1, 0.1])  # of 2 and 9 November
    assert not weekly.is_due(known, 3, "a", date(2026, 11, 15))
    assert weekly.is_due(known, 3, "a", date(2026, 11, 16))
    assert weekly.is_due(known, 4, "a", date(2026, 11, 10))
    assert weekly.is_due(known, 3, "b", date(2026, 11, 10))


# What is published


def summed(transcripts, **more):
    told = {"evaluations": scores([0.1]), "drops": ["sv: it fell."], "failed": []}
    told |= more
    return summary.summarize(transcripts, model=MODEL, date=DAY, **told)


def test_each_recording_is_published_once_by_the_newest_model_and_the_newest_first():
    known = pd.concat([stored(0, version=2), stored(0, 1, version=3)])
    known.loc[known["recording_id"] == "r1", "published"] = "2026-11-20T06:00:00+00:00"
    found = summary.newest(known)
    assert found["recording_id"].tolist() == ["r1", "r0"]
    assert found["model_version"].tolist() == [3, 3]
    assert len(summary.newest(pd.DataFrame())) == 0


def test_the_summary_counts_what_there_is():
    told = summed(summary.newest(stored(0, 1, reference="hej du")))
    assert (told["recordings"], told["not_listed"]) == (2, 0)
    assert told["hours"] == pytest.approx(2 / 60)
    assert told["times_faster"] == pytest.approx(10)
    assert told["error_rates"] == {"sv": {"recordings": 2, "mean_error_rate": 0.5}}
    assert told["transcripts"][0]["segments"] == [[1.5, 3.0, "hej då"]]


def test_what_does_not_fit_on_a_page_is_counted(monkeypatch):
    monkeypatch.setattr(summary, "MOST_LETTERS", 100)
    told = summed(summary.newest(stored(0, 1)))
    assert (len(told["transcripts"]), told["not_listed"]) == (1, 1)
    assert "1 older recordings are in transcripts.parquet only" in report.render(told)


def test_a_page_without_anything_says_so():
    page = report.render(summed(summary.newest(pd.DataFrame()), evaluations=scores([])))
    assert "Not scored yet" in page


def test_what_was_said_never_becomes_markup():
    made = transcribing.table([job(0, title=EVIL)], [outcome(0, text=EVIL)], 3, DAY)
    page = report.render(
        summed(summary.newest(made), failed=[{"title": EVIL, "reason": EVIL}], drops=[EVIL])
    )
    assert "<img" not in page
    assert page.count("<script") == page.count("</script>") == 2
    held = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1]
    assert json.loads(held)[0]["title"] == EVIL


def test_the_page_finds_words_and_shows_them_with_their_times(tmp_path):
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if path is None and not os.environ.get("CI"):
        pytest.skip("needs Chromium")
    from playwright.sync_api import expect, sync_playwright

    jobs = [job(0, title=EVIL), job(1, place="https://a.b/c.mp3"), job(2)]
    texts = [EVIL, "Vädret blir fint i Kiruna", "Kiruna är vackert"]
    outcomes = [outcome(number, text=text) for number, text in enumerate(texts)]
    made = summary.newest(transcribing.table(jobs, outcomes, 3, DAY))
    (tmp_path / "report.html").write_text(report.render(summed(made)), encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page()
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto((tmp_path / "report.html").as_uri())
        expect(page.locator("#count")).to_have_text("3 of 3 recordings")
        page.fill("#asked", "KIRUNA vädret")
        expect(page.locator("#count")).to_have_text("1 of 3 recordings")
        expect(page.locator("#found a")).to_have_attribute("href", "https://a.b/c.mp3")
        expect(page.locator("#found")).to_contain_text("00:00:01 Vädret blir fint")
        assert page.title() == "What was said"
        assert not errors
        browser.close()


def test_a_list_cannot_make_the_pipeline_ask_this_machine(tmp_path):
    with pytest.raises(SourceError, match="only https"):
        recordings.find("http://127.0.0.1:8080/feed.xml")
    with pytest.raises(SourceError, match="in place of a host"):
        transcribing.at_hand(waiting(0, place="https://127.0.0.1/a.mp3"), tmp_path)
