"""All viewers share one read, a silent project is told from an empty one, and pieces are text."""

import re
import threading
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fti
from fti import report, ui
from fti.embedded.project import Project
from fti.errors import UserError

EVIL = "<script>alert(\"1\")</script> & 'co'"
SHARES = st.floats(0, 1)


class Counted(Project):
    """A project that counts how often its files are asked for."""

    asked = 0

    def __init__(self, home):
        super().__init__(home)
        self.arrived, self.gate = threading.Event(), threading.Event()
        self.gate.set()

    def get_dataset_api(self):
        self.asked += 1
        self.arrived.set()
        assert self.gate.wait(30)
        return super().get_dataset_api()


@pytest.fixture
def counted(home):
    """A project in which `toy` has published the day 1."""
    project = Counted(home)
    fti.publish(project, "toy", {"monitor.json": {"day": 1}})
    project.asked = 0
    project.arrived.clear()
    return project


def take_away(project):
    """Put a file where the project's folder was; give the function that brings it back."""
    away = project.home.with_name("away")
    project.home.rename(away)
    project.home.write_text("not a folder")

    def bring_back():
        project.home.unlink()
        away.rename(project.home)

    return bring_back


def save_model(project, folder, weights):
    folder.mkdir(exist_ok=True)
    (folder / "weights.json").write_text(weights)
    return fti.save_model(project, "toy", folder, {"accuracy": 0.5})


def well_formed(html):
    """Give the element that a piece of HTML is; raise ParseError if it is not whole."""
    return ET.fromstring(html)


# Reading


def test_many_viewers_make_one_read(counted):
    reader = ui.Reader(counted)
    counted.gate.clear()
    with ThreadPoolExecutor(8) as viewers:
        looks = [viewers.submit(reader.published, "toy", "monitor.json") for _ in range(8)]
        counted.gate.set()
        assert [look.result() for look in looks] == [{"day": 1}] * 8
    assert counted.asked == 1


def test_what_is_published_later_is_read_when_its_time_is_over(counted):
    patient, eager = ui.Reader(counted, ttl=60), ui.Reader(counted, ttl=0)
    for reader in (patient, eager):
        assert reader.published("toy", "monitor.json") == {"day": 1}
    fti.publish(counted, "toy", {"monitor.json": {"day": 2}})
    assert patient.published("toy", "monitor.json") == {"day": 1}
    assert eager.published("toy", "monitor.json") == {"day": 2}


def test_while_one_viewer_reads_again_the_others_get_the_copy_there_is(counted):
    reader = ui.Reader(counted, ttl=0)
    reader.published("toy", "monitor.json")
    fti.publish(counted, "toy", {"monitor.json": {"day": 2}})
    counted.arrived.clear()
    counted.gate.clear()
    with ThreadPoolExecutor(1) as other:
        second = other.submit(reader.published, "toy", "monitor.json")
        assert counted.arrived.wait(30)
        assert reader.published("toy", "monitor.json") == {"day": 1}
        counted.gate.set()
        assert second.result() == {"day": 2}


def test_what_is_not_published_yet_is_not_there_yet(project):
    with pytest.raises(ui.NotYet, match="run `python -m toy`"):
        ui.Reader(project).published("toy", "monitor.json")


def test_a_project_that_lost_its_folder_is_unreachable_not_empty(project):
    take_away(project)
    reader = ui.Reader(project)
    for ask in (lambda: reader.published("toy", "monitor.json"), lambda: reader.model("toy")):
        with pytest.raises(ui.Unreachable, match=r"did not answer at .* UTC"):
            ask()


def test_a_damaged_file_is_unreachable_not_missing(counted):
    (counted.home / "Resources" / "toy" / "monitor.json").write_text("{")
    with pytest.raises(ui.Unreachable):
        ui.Reader(counted).published("toy", "monitor.json")


def test_visitors_are_not_told_where_the_project_is(project, caplog):
    take_away(project)
    with pytest.raises(ui.Unreachable) as caught:
        ui.Reader(project).model("toy")
    assert str(project.home) not in str(caught.value)
    assert str(project.home) in caplog.text


def test_while_the_project_is_silent_an_older_copy_says_when_it_was_read(counted):
    reader = ui.Reader(counted, ttl=0)
    first = reader.copy("toy", "monitor.json")
    bring_back = take_away(counted)
    older = reader.copy("toy", "monitor.json")
    assert (older.content, older.read_at) == (first.content, first.read_at)
    assert isinstance(older.problem, ui.Unreachable)
    with pytest.raises(ui.Unreachable):
        reader.published("toy", "monitor.json")
    bring_back()
    assert reader.copy("toy", "monitor.json").problem is None


def test_a_failed_read_is_soon_tried_again(counted, monkeypatch):
    monkeypatch.setattr(ui, "RETRY", 0.0)
    reader = ui.Reader(counted, ttl=3600)
    bring_back = take_away(counted)
    with pytest.raises(ui.Unreachable):
        reader.published("toy", "monitor.json")
    bring_back()
    assert reader.published("toy", "monitor.json") == {"day": 1}


def test_a_model_version_is_downloaded_once(project, tmp_path):
    reader = ui.Reader(project, ttl=0)
    with pytest.raises(ui.NotYet, match="run `python -m toy`"):
        reader.model("toy")
    save_model(project, tmp_path / "model", "[1]")
    first = reader.model("toy")
    assert reader.model("toy") is first
    save_model(project, tmp_path / "model", "[2]")
    assert (first.version, reader.model("toy").version, reader.version("toy")) == (1, 2, 2)


def test_the_readers_of_a_process_share_the_project_they_open(home):
    assert ui.shared_project() is ui.shared_project()
    with pytest.raises(ui.NotYet):
        ui.Reader().published("toy", "monitor.json")


def test_a_failed_login_is_tried_again(home, monkeypatch):
    reader = ui.Reader(ttl=0)
    home.write_text("not a folder")
    with pytest.raises(ui.Unreachable):
        reader.published("toy", "monitor.json")
    home.unlink()
    with pytest.raises(ui.NotYet):
        reader.published("toy", "monitor.json")


def test_health_tells_empty_ok_and_unreachable_apart(project, tmp_path):
    reader = ui.Reader(project, ttl=0)
    assert ui.check(reader, "app", ["toy"])["status"] == "empty"
    save_model(project, tmp_path / "model", "[1]")
    found = ui.check(reader, "app", ["toy", "other"])
    assert (found["app"], found["status"]) == ("app", "ok")
    assert found["models"] == {"toy": 1, "other": None}
    take_away(project)
    assert ui.check(reader, "app", ["toy"])["status"] == "unreachable"


# Pieces


@pytest.mark.parametrize(
    "piece",
    [
        ui.notice(EVIL),
        ui.notice(ui.NotYet(EVIL)),
        ui.badge(EVIL, "good"),
        ui.gauge(0.5, EVIL),
        ui.bars({EVIL: 0.25, "b": 0.75}, chosen=EVIL),
        ui.changes({EVIL: 0.25, "b": -0.75}),
    ],
)
def test_pieces_are_well_formed_and_show_data_as_text(piece):
    assert "<script" not in piece
    assert EVIL in "".join(well_formed(ui.panel(piece)).itertext())


@pytest.mark.parametrize(
    ("message", "kind", "word"),
    [
        (ui.NotYet("x"), "empty", "Nothing here yet"),
        (ui.Unreachable("x"), "unreachable", "Cannot be reached"),
        (UserError("x"), "info", "Note"),
        ("x", "info", "Note"),
    ],
)
def test_a_notice_says_its_kind_in_words(message, kind, word):
    assert ui.notice(message) == ui.notice("x", kind)
    assert well_formed(ui.notice(message)).find("b").text == f"{word}."


@given(SHARES)
def test_a_probability_is_never_shown_as_certain_unless_it_is(share):
    shown = ui.percent(share)
    assert (shown == "0%") == (share == 0) and (shown == "100%") == (share == 1)
    if shown not in ("<1%", ">99%"):
        assert abs(float(shown[:-1]) / 100 - share) <= 0.005001


@given(SHARES)
def test_a_gauge_fills_as_far_as_the_probability(share):
    track, filled = well_formed(ui.gauge(share, "x")).iter("path")
    assert track.get("d") == filled.get("d")
    assert float(filled.get("stroke-dasharray").split()[0]) == pytest.approx(100 * share, abs=0.05)


@given(st.dictionaries(st.text("abc", min_size=1), SHARES, min_size=1))
def test_bars_are_as_long_as_their_shares(shares):
    widths = re.findall(r"width: ([\d.]+)%", ui.bars(shares))
    assert [float(width) for width in widths] == pytest.approx(
        [100 * share for share in shares.values()], abs=0.05
    )


def test_changes_go_to_the_right_when_they_raise_and_say_so_in_points():
    html = ui.changes({"sex": -0.2, "age": 0.1, "fare": -0.00001})
    spans = re.findall(r"left: ([\d.]+)%; width: ([\d.]+)%", html)
    assert [(float(left), float(width)) for left, width in spans] == [(0, 50), (50, 25), (50, 0)]
    texts = [span.text for span in well_formed(html).findall("span")]
    assert texts[2::3] == ["\N{MINUS SIGN}20.0 points", "+10.0 points", "+0.0 points"]


def test_no_change_at_all_is_drawn_too():
    assert "width: 0.0%" in ui.changes({"sex": 0.0})
    assert ui.changes({}) == '<div class="bars"></div>'


def test_times_are_told_in_utc():
    assert ui.utc(datetime(2026, 1, 31, 6, 7, tzinfo=UTC)) == "2026-01-31 06:07 UTC"


# Look


def test_apps_look_like_reports_and_ask_nobody_for_it():
    assert report.PALETTE in ui.CSS and report.PIECES in ui.CSS
    assert ui.theme()._stylesheets == []
    for css in (ui.CSS, ui.theme()._get_theme_css()):
        assert not re.search(r"""@import|url\((?!['"]?data:)""", css)


def test_gradio_takes_its_colours_from_the_palette():
    known = set(re.findall(r"(--\w+):", report.PALETTE))
    assert set(ui.SURFACES.values()) <= known
    theme = vars(ui.theme())
    assert all(theme[name] == theme[f"{name}_dark"] for name in ui.SURFACES)


def test_apps_are_launched_closed():
    options = ui.launch_kwargs(server_port=1)
    assert options["server_port"] == 1 and options["allowed_paths"] == []
    assert options["strict_cors"] and not options["enable_monitoring"] and not options["ssr_mode"]


def test_an_app_takes_its_memory_from_the_system():
    before = pa.default_memory_pool()
    try:
        ui.stay_small()
        assert pa.default_memory_pool().backend_name == "system"
    finally:
        pa.set_memory_pool(before)
