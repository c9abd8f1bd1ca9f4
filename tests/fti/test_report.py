"""Reports are whole pages that fetch nothing, whatever the data hold."""

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pandas as pd
import pytest

from fti import quality, report

EVIL = "<script>alert(\"1\")</script> & 'co'"
BINS = quality.reliability_bins([0, 0, 1, 1], [0.15, 0.25, 0.35, 0.9]).to_dict("records")
CONFUSION = quality.confusion([0, 0, 1, 1], [0, 0, 0, 1], [0, 1]).to_dict("records")
NAMES = {0: "died", 1: "survived"}


class Outline(HTMLParser):
    """Collects text, and fails at a tag that is closed out of order or never."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.text = [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def whole():
    table = pd.DataFrame({EVIL: [EVIL, None], "score": [0.5, float("nan")], "n": [1, 2]})
    return report.page(
        EVIL,
        EVIL,
        [
            report.tiles({EVIL: (EVIL, EVIL)}),
            report.facts({EVIL: EVIL}),
            report.section(EVIL, report.paragraph(EVIL), report.table(table, {"yes": "good"})),
            report.beside(
                report.confusion_matrix(CONFUSION, {0: EVIL, 1: "survived"}),
                report.reliability_chart(BINS),
            ),
            report.score_chart(["2026-01-01", "2026-01-03"], {EVIL: [0.5, 0.75]}, EVIL),
        ],
    )


def cells(html):
    return re.findall(r"<td[^>]*>(.*?)</td>", html)


def test_a_page_is_well_formed_and_shows_whatever_the_data_say_as_text():
    page = whole()
    outline = Outline(page)
    assert "script" not in outline.tags
    assert outline.text.count(EVIL) >= 8  # the parser gives text unescaped


def test_a_page_fetches_nothing():
    page = whole()
    assert not re.search(r"https?:|//[a-z]|src=|href=|url\(|@import|<link|<script", page)


def test_charts_are_well_formed_svg():
    charts = [part for part in re.findall(r"<svg.*?</svg>", whole(), re.DOTALL)]
    assert [ET.fromstring(chart).tag for chart in charts] == ["svg", "svg"]


def test_a_table_shows_values_as_people_write_them():
    table = pd.DataFrame(
        {
            "when": [pd.Timestamp("2026-01-31"), pd.Timestamp("2026-01-31 12:30"), pd.NaT],
            "share": [0.12345, 2.0, float("nan")],
            "n": [1, 20, 300],
            "ok": [True, False, None],
            "mark": ["act", "stable", None],
        }
    )
    html = report.table(table, {"act": "bad"}, decimals=2)
    assert cells(html) == [
        "2026-01-31", "0.12", "1", "yes", "act",
        "2026-01-31 12:30", "2.00", "20", "no", "stable",
        "", "", "300", "", "",
    ]  # fmt: skip
    assert '<td class="day">2026-01-31</td>' in html  # never broken at a hyphen
    assert '<td class="bad">act</td>' in html and "<td>stable</td>" in html
    assert '<th class="number">share</th>' in html and "<th>mark</th>" in html


def test_an_empty_table_says_so():
    assert report.table(pd.DataFrame()) == "<p>Nothing yet.</p>"


def test_a_confusion_matrix_has_counts_and_shares_of_each_row():
    html = report.confusion_matrix(CONFUSION, NAMES)
    assert [re.sub(r"<[^>]*>", " ", cell).split() for cell in cells(html)] == [
        [], ["2", "100.0%"], ["0", "0.0%"], ["1", "50.0%"], ["1", "50.0%"],
    ]  # fmt: skip
    marks = re.findall(r'<b class="(\w+)">', html)
    assert marks == ["good", "soft", "bad", "good"]  # no mistakes are nothing bad


def test_a_row_without_outcomes_has_no_shares():
    rows = quality.confusion([0], [0], [0, 1]).to_dict("records")
    assert cells(report.confusion_matrix(rows, NAMES))[-1].endswith(
        '0</b><span class="soft"></span>'
    )


def test_a_reliability_chart_draws_the_bins_that_have_rows():
    assert report.reliability_chart(BINS).count("<circle") == 4
    assert report.reliability_chart([]).count("<circle") == 0


@pytest.mark.parametrize("days", [["2026-01-01"], ["2026-01-01", "2026-01-02", "2026-01-11"]])
def test_a_score_chart_places_days_by_date_and_scores_by_value(days):
    lines = {"accuracy": [1.0, 0.5, 0.0][: len(days)], "majority": [0.5] * len(days)}
    chart = ET.fromstring(re.search("<svg.*</svg>", report.score_chart(days, lines, "x"))[0])
    first, second = (
        [tuple(map(float, point.split(","))) for point in line.get("points").split()]
        for line in chart.iter("polyline")
    )
    assert len(first) == len(days)
    assert [x for x, _ in first] == [x for x, _ in second]
    if len(days) == 3:
        (x0, y0), (x1, y1), (x2, y2) = first
        assert (x2 - x0) == pytest.approx(10 * (x1 - x0))
        assert y0 < y1 < y2 and y1 == second[0][1]


def test_a_score_chart_has_no_points_where_there_is_no_score():
    lines = {"new": [float("nan"), 0.5], "old": [0.25, float("nan")], "none": [float("nan")] * 2}
    html = report.score_chart(["2026-01-01", "2026-01-02"], lines, "x")
    assert [len(points.split()) for points in re.findall(r'points="([^"]*)"', html)] == [1, 1, 0]
    assert re.findall(r">((?:new|old|none)[^<]*)<", html) == ["new 0.500", "old 0.250", "none"]


def test_lines_differ_in_pattern_and_not_by_colour_alone():
    html = report.score_chart(["2026-01-01"], {"a": [0.5], "b": [0.5], "c": [0.5]}, "x")
    assert len(set(re.findall(r'<polyline[^>]*stroke-dasharray="([^"]*)"', html))) == 3


def test_a_chart_of_other_numbers_has_their_scale():
    drawn = report.score_chart(
        ["2026-01-01", "2026-02-01"], {"index": [0.5, 1]}, "", between=(0.4, 1.2)
    )
    assert re.findall(r">([\d.]+)</text>", drawn)[:5] == ["0.4", "0.6", "0.8", "1", "1.2"]
