"""What a visitor cannot do: read files, make the server ask for addresses, write HTML."""

import http.client
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fti import report, ui
from fti.errors import UserError

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]
FILES = (
    HERE,
    ROOT / "spaces" / "hub" / "app.py",
    ROOT / "spaces" / "titanic" / "app.py",
    ROOT / "spaces" / "aurora" / "app.py",
    ROOT / "spaces" / "housing" / "app.py",
    ROOT / "spaces" / "whisper" / "app.py",
    ROOT / "fti" / "cloud.py",
    ROOT / "README.md",
    Path("/etc/passwd"),
    Path("/proc/self/environ"),
    Path("/proc/self/cmdline"),
)
ROUTES = ("gradio_api/file=", "gradio_api/file/", "file=", "static/", "assets/", "theme/")
ADDRESSES = (
    "http://169.254.169.254/latest/meta-data/",
    "http://[::ffff:169.254.169.254]/latest/meta-data/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "//169.254.169.254/latest/meta-data/",
    "gopher://127.0.0.1:9/_x",
)
REFUSED = (400, 403, 404, 405, 422)


def disguised(path):
    """Give the ways to write a path that fooled some server once."""
    inside = str(path)[1:]
    return [
        str(path),
        quote(str(path), safe=""),
        f"file://{path}",
        f"{path}%00.png",
        "../" * 12 + inside,
        "..%2f" * 12 + quote(inside, safe=""),
        "%2e%2e/" * 12 + inside,
        "....//" * 12 + inside,
        "..%5c" * 12 + inside.replace("/", "%5c"),
        f"/proc/self/root{path}",
        f"{ROOT}/spaces/..{path}",
        f"{ROOT}/spaces/../../..{path}",
    ]


@pytest.fixture
def get(hub):
    """A function that asks for a path as it is, dots and all; it gives status and content."""
    connection = http.client.HTTPConnection(urlsplit(hub).netloc, timeout=30)

    def get(path):
        connection.request("GET", f"/{path}")
        answer = connection.getresponse()
        return answer.status, answer.read()

    yield get
    connection.close()


@pytest.mark.parametrize("path", FILES, ids=str)
@pytest.mark.parametrize("route", ROUTES)
def test_no_file_of_the_machine_is_served(get, route, path):
    for written in disguised(path):
        status, content = get(route + written)
        assert status in REFUSED, written
        assert path.read_bytes()[:40] not in content, written


def test_no_file_of_the_project_is_served(get, filled):
    paths = [path for path in filled.rglob("*") if path.is_file()]
    assert len(paths) > 20
    for path in paths:
        assert get(f"gradio_api/file={path}")[0] in REFUSED


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("route", ["gradio_api/file=", "gradio_api/proxy=", "file=", "proxy="])
def test_the_server_asks_for_no_address_of_a_visitor(get, route, address):
    for written in (address, quote(address, safe="")):
        assert get(route + written)[0] in REFUSED


@pytest.mark.parametrize("name", ["../../../evil.py", "..\\evil.py", "/evil.py", "a\x00b"])
def test_an_upload_stays_where_uploads_are(hub, get, name):
    answer = httpx.post(f"{hub}gradio_api/upload", files={"files": (name, b"mine")})
    if answer.is_success:
        (kept,) = map(Path, answer.json())
        assert "gradio" in kept.parts and ".." not in kept.parts and kept.read_bytes() == b"mine"
        for path in FILES:
            for above in range(2, 9):
                assert get(f"gradio_api/file={kept}{'/..' * above}{path}")[0] in REFUSED
    else:
        assert answer.status_code in REFUSED


# Text in HTML


class Skeleton(HTMLParser):
    """Everything of HTML but its text and the values of attributes."""

    def __init__(self, html):
        super().__init__()
        self.parts = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        """Keep a tag and the names of its attributes."""
        self.parts.append((tag, *(name for name, _ in attributes)))

    def handle_endtag(self, tag):
        """Keep the end of a tag."""
        self.parts.append(f"/{tag}")

    def handle_comment(self, comment):
        """Keep that there is a comment, or what browsers take for one."""
        self.parts.append("comment")

    handle_decl = handle_pi = unknown_decl = handle_comment


PIECES = {
    "notice": ui.notice,
    "notice of an error": lambda text: ui.notice(UserError(text)),
    "badge": lambda text: ui.badge(text, "good"),
    "gauge": lambda text: ui.gauge(0.5, text),
    "bars": lambda text: ui.bars({text: 0.5, "other": 0.5}, chosen=text),
    "changes": lambda text: ui.changes({text: 0.1}),
    "section": lambda text: report.section(text, report.paragraph(text)),
    "tiles": lambda text: report.tiles({text: (text, text)}),
    "facts": lambda text: report.facts({text: text}),
    "table": lambda text: report.table(pd.DataFrame({text: [f"{text}!"]})),
    "matrix": lambda text: report.confusion_matrix(
        [{"actual": text, "predicted": text, "n": 1, "rate": 1.0}], {text: text}
    ),
    "chart": lambda text: report.score_chart(["2026-01-30", "2026-01-31"], {text: [0, 1]}, text),
}
EVIL = st.sampled_from(["<script>", "</div>", '"', "'", "<img src=x onerror=", ">", "&lt;", "<!--"])


@pytest.mark.parametrize("draw", PIECES.values(), ids=PIECES)
@settings(deadline=None)
@given(text=st.lists(EVIL | st.text(), max_size=5).map("".join))
def test_text_stays_text(draw, text):
    assert Skeleton(draw(text)).parts == Skeleton(draw("text")).parts
