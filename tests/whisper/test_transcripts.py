"""Subtitles are read back by a parser of their formats, and say the same at the same time."""

import json
import re
from html import unescape
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisper import transcripts
from whisper.transcripts import Segment, Transcript

CLOCK = r"(\d\d+):([0-5]\d):([0-5]\d)[,.](\d\d\d)"
ARROW = re.compile(rf"{CLOCK} --> {CLOCK}")

moments = st.floats(0, 400_000, allow_nan=False)
texts = st.text(st.characters(codec="utf-8"), max_size=300)
segments = st.lists(
    st.builds(lambda start, long, text: Segment(start, start + long, text), moments,
              st.floats(0, 60), texts),
    max_size=8,
).map(lambda some: sorted(some, key=lambda one: one.start))  # fmt: skip


def parsed(blocks):
    """Give start, end and text of blocks of subtitles, times in thousandths of a second."""
    for lines in blocks:
        h, m, s, ms, *end = (int(n) for n in ARROW.fullmatch(lines[0]).groups())
        yield (
            ((h * 60 + m) * 60 + s) * 1000 + ms,
            ((end[0] * 60 + end[1]) * 60 + end[2]) * 1000 + end[3],
            "\n".join(lines[1:]),
        )


def read_srt(text):
    blocks = [block.split("\n") for block in text.removesuffix("\n").split("\n\n") if block]
    assert [block[0] for block in blocks] == [str(n) for n in range(1, len(blocks) + 1)]
    return list(parsed(block[1:] for block in blocks))


def read_vtt(text):
    head, *blocks = text.removesuffix("\n").split("\n\n")
    assert head == "WEBVTT"
    return [(a, b, unescape(said)) for a, b, said in parsed(b.split("\n") for b in blocks)]


def squeezed(text):
    return "".join(text.replace("-->", "→").split())


@given(segments)
def test_subtitles_are_in_order_and_say_all_of_the_text(some):
    said = squeezed(" ".join(segment.text for segment in some))
    for read, text in (
        (read_srt(transcripts.to_srt(some)), said.translate(str.maketrans("<>", "‹›"))),
        (read_vtt(transcripts.to_vtt(some)), said),
    ):
        assert squeezed("".join(one[2] for one in read)) == text
        assert all(begin < end for begin, end, _ in read)
        assert all(a[1] <= b[0] for a, b in pairwise(read))
        assert all(one[2].strip() and one[2].count("\n") <= 1 for one in read)


@given(st.lists(st.sampled_from(["we", "subtitle", "everything", "here"]), min_size=1, max_size=90),
       st.floats(0.5, 60))  # fmt: skip
def test_long_segments_are_shown_in_parts_that_can_be_read(words, seconds):
    shown = list(transcripts.cues([Segment(1.0, 1.0 + seconds, " ".join(words))]))
    assert " ".join(cue.text for cue in shown).split() == words
    assert all(len(cue.text) <= 1.5 * transcripts.LINE * transcripts.LINES for cue in shown)
    assert shown[0].start == 1.0 and shown[-1].end == pytest.approx(1.0 + seconds, abs=0.002)


def test_a_subtitle_looks_as_the_formats_have_it():
    some = [Segment(0.0, 1.5, "Hej!"), Segment(3661.25, 3663.0, "A < B --> C & D\n\nE")]
    assert transcripts.to_srt(some) == (
        "1\n00:00:00,000 --> 00:00:01,500\nHej!\n"
        "\n2\n01:01:01,250 --> 01:01:03,000\nA ‹ B → C & D E\n"
    )
    assert transcripts.to_vtt(some) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nHej!\n"
        "\n01:01:01.250 --> 01:01:03.000\nA &lt; B → C &amp; D E\n"
    )
    assert transcripts.to_txt(some) == "Hej!\nA < B → C & D E\n"


def test_hours_have_as_many_digits_as_they_need():
    srt = transcripts.to_srt([Segment(100 * 3600, 123 * 3600 + 59.9996, "late")])
    assert srt.startswith("1\n100:00:00,000 --> 123:01:00,000\n")


def test_text_without_blanks_is_cut_between_characters():
    shown = list(transcripts.cues([Segment(0, 20, "字" * 200)]))
    assert "".join(cue.text for cue in shown) == "字" * 200
    assert len(shown) >= 3 and max(len(cue.text) for cue in shown) <= 84


def test_nothing_said_gives_valid_empty_files():
    assert transcripts.to_srt([]) == "" and transcripts.to_vtt([]) == "WEBVTT\n"
    assert transcripts.to_srt([Segment(0, 1, " \n ")]) == ""


def test_json_holds_all_that_is_known():
    segment = Segment(0.5, 1.0, "två", (transcripts.REPEATED,))
    told = json.loads(
        transcripts.to_json(
            Transcript((segment,), "sv", "transcribe", "small", 12.0, 3.5, "deadline")
        )
    )
    assert told == {
        "segments": [{"start": 0.5, "end": 1.0, "text": "två", "marks": ["repetition"]}],
        "language": "sv", "task": "transcribe", "model": "small", "audio_seconds": 12.0,
        "compute_seconds": 3.5, "stopped": "deadline", "truncated": True, "text": "två",
    }  # fmt: skip
