"""Keograms are downloaded once, and only whole pictures are kept."""

import io
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from aurora import keogram
from aurora.feeds import documents, keograms
from fti.errors import SourceError

ROOT = Path(__file__).parents[2]
PAGE = b"<html>\r\n<head><title>404 Not Found</title></head>\r\n</html>"
NIGHT, NEXT = date(2021, 1, 5), date(2021, 1, 6)


def picture(size=(keogram.WIDTH, keogram.HEIGHT), kind="GIF"):
    """Give the bytes of a picture with a few colours."""
    buffer = io.BytesIO()
    image = Image.new("P", size, 1)
    image.putpalette([0, 0, 0, 20, 120, 40])
    image.paste(0, (0, 0, size[0] // 2, size[1]))
    image.save(buffer, kind)
    return buffer.getvalue()


GOOD = picture()


@pytest.fixture
def irf(service, monkeypatch):
    """A service in IRF's place, with the keogram of one night."""
    url = f"{service.address}/{{camera}}/{{day:%Y/%m/%d}}/dark_keo{{day:%Y%m%d}}.gif"
    monkeypatch.setattr(keograms, "URL", url)
    service.answer("/krn/2021/01/05/dark_keo20210105.gif", GOOD)
    return service


def bring(days, folder):
    return keograms.download(days, folder, retries=0, title=None, sleep=lambda _: None)


def test_the_address_has_the_day_twice():
    assert keograms.address(NIGHT).endswith("/krn/2021/01/05/dark_keo20210105.gif")


def test_a_night_is_downloaded_once_and_can_be_read(irf, tmp_path):
    folder = tmp_path / "keograms"
    for _ in range(2):
        nights = bring([NIGHT], folder)
    assert nights.pictures == {NIGHT: folder / "20210105.gif"}
    assert len(irf.asked) == 1
    assert keogram.read(nights.pictures[NIGHT]).day == NIGHT


def test_a_png_is_kept_as_one_whatever_its_address_says(irf, tmp_path):
    irf.answer("/krn/2021/01/05/dark_keo20210105.gif", picture(kind="PNG"))
    assert bring([NIGHT], tmp_path).pictures == {NIGHT: tmp_path / "20210105.png"}


def test_nights_without_a_picture_are_named_and_the_others_come(irf, tmp_path):
    irf.answer("/krn/2021/01/06/dark_keo20210106.gif", PAGE)
    before = date(2021, 1, 4)
    nights = bring([before, NIGHT, NEXT], tmp_path)
    assert list(nights.pictures) == [NIGHT]
    assert "status 404" in nights.faults[before]
    assert "a web page saved as a picture" in nights.faults[NEXT]
    assert [path.name for path in tmp_path.iterdir()] == ["20210105.gif"]


def test_a_night_that_was_not_over_is_fetched_again(irf, tmp_path):
    path = tmp_path / "20210105.gif"
    path.write_bytes(GOOD)
    evening = 1609880400  # 2021-01-05 21:00 UTC
    os.utime(path, (evening, evening))
    bring([NIGHT], tmp_path)
    assert len(irf.asked) == 1


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (PAGE, "a web page saved as a picture"),
        (b"", "neither PNG nor GIF"),
        (b"\xff\xd8\xff\xe0 jpeg", "neither PNG nor GIF"),
        (picture((640, 360)), "640 x 360 pixels"),
        (GOOD[: len(GOOD) // 2], "damaged"),
        (picture(kind="PNG")[:200], "damaged"),
        (b"GIF89a" + b"x" * 9_000_000, "larger than"),
    ],
)
def test_what_is_no_whole_keogram_is_refused_and_not_kept(irf, tmp_path, data, said):
    irf.answer("/krn/2021/01/05/dark_keo20210105.gif", data)
    with pytest.raises(SourceError, match=f"^{irf.address}/krn/.*20210105.gif.*{said}"):
        keograms.download_night(NIGHT, tmp_path, retries=0)
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_damaged_picture_is_whole_or_refused(data):
    sent = bytearray(picture(kind=data.draw(st.sampled_from(["PNG", "GIF"]))))
    start = data.draw(st.integers(0, min(400, len(sent) - 1)))
    damage = data.draw(st.binary(min_size=1, max_size=20))
    sent[start : start + len(damage)] = damage
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "fetch", lambda url, **_: (bytes(sent), url))
        try:
            assert keograms.fetch(NIGHT) == bytes(sent)
        except SourceError as error:
            assert str(error).startswith("https://www.irf.se/")


def test_the_command_brings_what_is_missing(tmp_path):
    (tmp_path / "20210105.gif").write_bytes(GOOD)
    nights = ["--first", "2021-01-05", "--last", "2021-01-05"]
    done = subprocess.run(
        [sys.executable, "-m", "aurora.feeds.keograms", str(tmp_path), *nights],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    assert done.stdout == f"1 of 1 nights are in {tmp_path}\n"
