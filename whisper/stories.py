"""Clips of our own to guess, for where there is no network: a sentence under a drawn picture.

    story = stories.STORIES[0]
    stories.film(story, path)        ten seconds of mp4: the clue from 0 s, the answer from 5 s

Their halves are said by espeak-ng and written into the picture as they are said.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from whisper import audio
from whisper.feeds import espeak
from whisper.game import HALF
from whisper.mel import SAMPLE_RATE

SIZE = (640, 360)
RATE = 10  # pictures a second
PAUSE = 0.3  # seconds before each half
LINE = 34  # characters
SKIES = (
    ((24, 32, 74), (214, 118, 88)),
    ((62, 130, 190), (226, 236, 240)),
    ((18, 22, 44), (44, 86, 110)),
    ((92, 60, 112), (246, 190, 130)),
)


@dataclass(frozen=True)
class Story:
    """A sentence in two halves."""

    language: str
    clue: str
    answer: str


STORIES = tuple(
    Story(language, *(half.strip() for half in line.split("|")))
    for language, lines in {
        "en": """
            The old lighthouse keeper climbs the stairs | and lights the lamp before the storm comes
            Every morning the baker opens his window | and gives yesterday's bread to the birds
            She packed a map and two apples | but forgot her boots beside the door
            When the last train had left the station | a small dog waited on the platform
            The children built a boat of paper | and sent it down the river to the sea
            My neighbour plays the trumpet at night | so I have learned to love the rain
            He planted an oak tree in his garden | although he knew others would sit in its shade
            The cat looked at the empty bowl | then at me and then at the clock
            We walked for hours through the fog | until we heard the bells of the village
            Grandmother kept one letter in the kitchen drawer | and never told us who had written it
            The ice on the lake began to sing | and we ran back to the shore
            A fisherman found a bottle on the beach | with a photograph of his own house
            The clock in the tower was always late | so the whole town took its time
            They painted the bridge in bright yellow | because nobody wanted to choose the colour
        """,
        "sv": """
            Den gamla fyrvaktaren gick uppför trappan | och tände lampan innan stormen kom
            Varje morgon öppnar bagaren sitt fönster | och ger gårdagens bröd till fåglarna
            Hon packade en karta och två äpplen | men glömde sina stövlar vid dörren
            När det sista tåget hade lämnat stationen | satt en liten hund kvar på perrongen
            Barnen byggde en båt av papper | och lät den segla längs ån till havet
            Katten tittade på den tomma skålen | sedan på mig och sedan på klockan
        """,
    }.items()
    for line in lines.strip().splitlines()
)


def film(story: Story, path: Path, number: int = 0) -> None:
    """Write a story as a video: H.264 and AAC, ten seconds; `number` varies voice and picture.

    Raises SourceError where espeak-ng is not installed.
    """
    import av

    sound = speech(story, number)
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as made:
        video = made.add_stream("libx264", rate=RATE, options={"preset": "veryfast"})
        (video.width, video.height), video.pix_fmt = SIZE, "yuv420p"
        heard = made.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        for at, picture in enumerate(pictures(story, number)):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = at, Fraction(1, RATE)
            made.mux(video.encode(frame))
        made.mux(video.encode(None))
        frame = av.AudioFrame.from_ndarray(sound[None], "flt", "mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE, 0
        resampler = av.AudioResampler("fltp", "mono", SAMPLE_RATE, frame_size=1024)
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            made.mux(heard.encode(piece))
        made.mux(heard.encode(None))


def speech(story: Story, number: int = 0) -> np.ndarray:
    """Give ten seconds in which the halves are said: float32 at 16 kHz."""
    size = round(HALF * SAMPLE_RATE)
    sound = np.zeros(2 * size, np.float32)
    for place, half in enumerate((story.clue, story.answer)):
        said = audio.decode(espeak.speak(half, story.language, number % espeak.SPEAKERS))
        begin = place * size + round(PAUSE * SAMPLE_RATE)
        room = (place + 1) * size - begin
        sound[begin : begin + len(said)][:room] = said[:room]
    return sound


def pictures(story: Story, number: int = 0) -> Iterator[np.ndarray]:
    """Give the pictures of a video: a boat that sails through a landscape, and what is said."""
    from PIL import Image, ImageDraw, ImageFont

    width, height = SIZE
    font = ImageFont.load_default(26)
    background = _background(number)
    count = round(2 * HALF * RATE)
    for at in range(count):
        picture = Image.fromarray(background)
        draw = ImageDraw.Draw(picture)
        x = round((0.1 + 0.8 * at / count) * width)
        y = round(0.55 * height + 4 * math.sin(at / 5 + number))
        draw.polygon([(x, y - 70), (x, y - 14), (x + 44, y - 14)], fill=(250, 246, 235))
        draw.polygon(
            [(x - 40, y - 8), (x + 52, y - 8), (x + 34, y + 14), (x - 24, y + 14)], "#7a3b22"
        )
        half = story.clue if at < HALF * RATE else story.answer
        draw.rectangle([0, height - 96, width, height], fill=(16, 20, 28))
        _caption(draw, font, half)
        yield np.asarray(picture)


def _background(number: int) -> np.ndarray:
    """Give sky, a sun or moon, mountains and water."""
    from PIL import Image, ImageDraw

    width, height = SIZE
    above, below = (np.array(colour) for colour in SKIES[number % len(SKIES)])
    share = np.linspace(0, 1, height)[:, None, None]
    sky = np.broadcast_to(above + (below - above) * share, (height, width, 3))
    picture = Image.fromarray(sky.astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    rng = np.random.default_rng(number)
    x, horizon = int(rng.integers(80, width - 80)), round(0.5 * height)
    draw.ellipse([x - 26, 40, x + 26, 92], fill=(255, 240, 200))
    for peak in rng.integers(0, width, 5):
        top = horizon - int(rng.integers(30, 90))
        shade = tuple(int(part * 0.6) for part in below)
        draw.polygon([(peak - 130, horizon), (peak, top), (peak + 130, horizon)], fill=shade)
    water = tuple(int(part * 0.75) for part in above)
    draw.rectangle([0, horizon, width, height], fill=water)
    return np.asarray(picture)


def _caption(draw: Any, font: Any, text: str) -> None:
    """Write a text in the middle of the lower edge, in two lines at most."""
    words, lines = text.split(), [""]
    for word in words:
        longer = f"{lines[-1]} {word}".strip()
        if len(longer) > LINE and len(lines) < 2:
            lines.append(word)
        else:
            lines[-1] = longer
    width, height = SIZE
    for place, line in enumerate(lines):
        draw.text((width / 2, height - 68 + 38 * place), line, fill="white", font=font, anchor="mm")
