"""Self-contained HTML pages of results: one file, no script, no address to fetch anything from.

Pieces take plain values and give HTML; whatever comes from data is escaped. Charts are drawn as
SVG. The page follows the reader's light or dark setting and fits a phone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from html import escape
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

EDGE = 40  # between a chart's border and its axes, in its own units
QUARTERS = (0, 0.25, 0.5, 0.75, 1)
COLOURS = ("accent", "soft", "warn")  # of lines, with a pattern each
DASHES = ("none", "7 4", "2 4")
LEGEND = 160  # units for each line's name
NUMBER = ' class="number"'
# Light and dark: which of the two is the `color-scheme` of where a variable is used.
PALETTE = """
--ink: light-dark(#1c2733, #e6edf3);
--soft: light-dark(#5b6875, #9aa7b4); --line: light-dark(#d9e0e6, #313b45);
--page: light-dark(#f6f8fa, #11161c); --card: light-dark(#ffffff, #1a2129);
--accent: light-dark(#0b6bcb, #58a6ff); --good: light-dark(#187741, #4cc38a);
--warn: light-dark(#8a5a00, #e3b341); --bad: light-dark(#b3261e, #ff8a80);
"""
# How the pieces look, on a page of their own or within another one (fti.ui).
PIECES = """
h1 { margin: 0; font-size: 1.7rem; } h2 { margin: 2.2rem 0 .6rem; font-size: 1.2rem; }
p { margin: .4rem 0; } .soft { color: var(--soft); }
.tiles, .beside { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1.2rem 0; }
.beside { align-items: flex-start; } .beside > * { flex: 1 1 20rem; min-width: 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  padding: .7rem 1rem; min-width: 8rem; flex: 1; }
.tile b { display: block; font-size: 1.5rem; }
.scroll { overflow-x: auto; margin: .8rem 0; } .beside .scroll, figure { margin: 0; }
table { border-collapse: collapse; width: 100%; background: var(--card); font-size: .92rem; }
th, td { padding: .35rem .7rem; border: 1px solid var(--line); text-align: left; }
th { color: var(--soft); font-weight: 600; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.day { white-space: nowrap; }
.matrix td { text-align: center; padding: .8rem; } .matrix b { display: block; font-size: 1.3rem; }
.good, .warn, .bad { font-weight: 600; }
.good { color: var(--good); } .warn { color: var(--warn); } .bad { color: var(--bad); }
figure > svg { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  display: block; width: 100%; height: auto; }
figure > svg text { fill: var(--soft); font-size: 11px; }
figcaption, caption { color: var(--soft); font-size: .85rem; text-align: left; padding: .3rem 0; }
caption { caption-side: bottom; }
dl { display: grid; grid-template-columns: fit-content(40%) 1fr; gap: .25rem 1rem;
  margin: .6rem 0; }
dt { color: var(--soft); } dd { margin: 0; }
@media (max-width: 40rem) { th, td { padding: .3rem .45rem; } }
"""
STYLE = f"""
:root {{ color-scheme: light dark; {PALETTE} }}
body {{ font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page);
  margin: 0 auto; padding: 1.5rem; max-width: 60rem; }}
@media (max-width: 40rem) {{ body {{ padding: 1rem; }} }}
{PIECES}"""


def page(title: str, subtitle: str, parts: Iterable[str]) -> str:
    """Give a whole HTML document."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f'<h1>{escape(title)}</h1>\n<p class="soft">{escape(subtitle)}</p>\n'
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def section(title: str, *parts: str) -> str:
    """Give parts under a heading."""
    return f"<section><h2>{escape(title)}</h2>\n" + "\n".join(parts) + "</section>"


def paragraph(text: str) -> str:
    """Give a paragraph of plain text."""
    return f"<p>{escape(text)}</p>"


def percent(share: float) -> str:
    """Give a share in whole percent; never 0% or 100% for what is only close to it."""
    rounded = f"{share:.0%}"
    if rounded == "0%" and share > 0:
        return "<1%"
    if rounded == "100%" and share < 1:
        return ">99%"
    return rounded


def tiles(values: Mapping[str, tuple[str, str]]) -> str:
    """Give a row of tiles: label -> (value, what to compare it with)."""
    cells = [
        f'<div class="tile"><span class="soft">{escape(label)}</span><b>{escape(value)}</b>'
        f'<span class="soft">{escape(beside)}</span></div>'
        for label, (value, beside) in values.items()
    ]
    return f'<div class="tiles">{"".join(cells)}</div>'


def facts(values: Mapping[str, str]) -> str:
    """Give a list of what is known: name -> value."""
    pairs = [f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in values.items()]
    return f"<dl>{''.join(pairs)}</dl>"


def beside(*parts: str) -> str:
    """Give parts side by side where the page is wide enough for it."""
    return f'<div class="beside">{"".join(parts)}</div>'


def table(rows: pd.DataFrame, marks: Mapping[str, str] | None = None, decimals: int = 3) -> str:
    """Give a table; `marks` colours cells by their text: `good`, `warn` or `bad`."""
    if rows.empty:
        return paragraph("Nothing yet.")
    head = "".join(
        f"<th{NUMBER if is_numeric_dtype(column) else ''}>{escape(name.replace('_', ' '))}</th>"
        for name, column in rows.items()
    )
    body = "".join(
        "<tr>" + "".join(_cell(value, marks or {}, decimals) for value in row) + "</tr>"
        for row in rows.itertuples(index=False, name=None)
    )
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def confusion_matrix(rows: Sequence[Mapping[str, Any]], names: Mapping[Any, str]) -> str:
    """Draw `quality.confusion` as a matrix: counts, and each row's shares of what was predicted."""
    cells = {(row["actual"], row["predicted"]): row for row in rows}
    head = "".join(f"<th>predicted: {escape(name)}</th>" for name in names.values())
    body = "".join(
        f"<tr><th>{escape(name)}</th>"
        + "".join(_matrix_cell(cells[actual, predicted]) for predicted in names)
        + "</tr>"
        for actual, name in names.items()
    )
    return (
        '<div class="scroll"><table class="matrix"><caption>Rows: what happened. Percentages: of '
        f"the row.</caption><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody>"
        "</table></div>"
    )


def reliability_chart(bins: Sequence[Mapping[str, Any]], size: int = 340) -> str:
    """Draw `quality.reliability_bins`: what was predicted against what happened, with intervals."""
    x, y = _scale(0, 1, EDGE, size - EDGE), _scale(0, 1, size - EDGE, EDGE)
    most = max((b["n"] for b in bins), default=0)
    marks = [
        f'<line x1="{x(b["mean_predicted"])}" x2="{x(b["mean_predicted"])}" '
        f'y1="{y(b["observed_low"])}" y2="{y(b["observed_high"])}" stroke="var(--soft)"/>'
        f'<circle cx="{x(b["mean_predicted"])}" cy="{y(b["observed_rate"])}" '
        f'r="{3 + 5 * (b["n"] / most) ** 0.5:.1f}" fill="var(--accent)">'
        f"<title>{b['n']} rows: predicted {b['mean_predicted']:.2f}, "
        f"observed {b['observed_rate']:.2f}</title></circle>"
        for b in bins
        if b["n"]
    ]
    ticks = [_text(x(t), size - EDGE + 16, f"{t:g}", "middle") for t in QUARTERS]
    inside = (
        f'<line x1="{x(0)}" y1="{y(0)}" x2="{x(1)}" y2="{y(1)}" stroke="var(--soft)" '
        f'stroke-dasharray="4"/>{_shares_axis(x(0), x(1), y)}{"".join(ticks)}{"".join(marks)}'
    )
    return _figure(
        inside,
        (size, size),
        "Predicted probability (across) against observed rate, with 95 % intervals; "
        "a calibrated model stays on the dashed line.",
    )


def score_chart(
    days: Sequence[str],
    scores: Mapping[str, Sequence[float]],
    what: str,
    width: int = 480,
    between: tuple[float, float] = (0, 1),
) -> str:
    """Draw up to three scores over days (ISO 8601), `between` a lowest and a highest value.

    `what` is the caption. A line has no point on days where its score is NaN.
    """
    height = 200
    ordinals = [date.fromisoformat(day).toordinal() for day in days]
    x = _scale(ordinals[0], ordinals[-1], EDGE, width - EDGE)
    y = _scale(*between, height - EDGE, EDGE / 2)
    lines = []
    for k, (name, values) in enumerate(scores.items()):
        known = [(x(o), y(v)) for o, v in zip(ordinals, values, strict=True) if not pd.isna(v)]
        last = next((f" {v:.3f}" for v in reversed(values) if not pd.isna(v)), "")
        lines.append(_line(known, k) + _legend(name + last, k, height - 12))
    ends = _text(x(ordinals[0]), height - EDGE + 14, days[0], "start") + _text(
        x(ordinals[-1]), height - EDGE + 14, days[-1], "end"
    )
    axis = _shares_axis(EDGE, width - EDGE, y, between)
    return _figure(axis + ends + "".join(lines), (width, height), what)


def _line(points: Sequence[tuple[float, float]], k: int) -> str:
    """Draw the line number k, with a dot where it ends."""
    path = " ".join(f"{x},{y}" for x, y in points)
    dots = [f'<circle cx="{x}" cy="{y}" r="3" fill="var(--{COLOURS[k]})"/>' for x, y in points[-1:]]
    return (
        f'<polyline fill="none" stroke="var(--{COLOURS[k]})" stroke-width="2" '
        f'stroke-dasharray="{DASHES[k]}" points="{path}"/>{"".join(dots)}'
    )


def _legend(text: str, k: int, y: float) -> str:
    left = EDGE + k * LEGEND
    return (
        f'<line x1="{left}" x2="{left + 20}" y1="{y}" y2="{y}" stroke="var(--{COLOURS[k]})" '
        f'stroke-width="2" stroke-dasharray="{DASHES[k]}"/>'
        f"{_text(left + 26, y + 4, text, 'start')}"
    )


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """Give the function that puts low..high onto start..end."""
    return lambda value: round(start + (value - low) / ((high - low) or 1) * (end - start), 1)


def _shares_axis(
    left: float,
    right: float,
    y: Callable[[float], float],
    between: tuple[float, float] = (0, 1),
) -> str:
    low, high = between
    ticks = [low + quarter * (high - low) for quarter in QUARTERS]
    return "".join(
        f'<line x1="{left}" x2="{right}" y1="{y(t)}" y2="{y(t)}" stroke="var(--line)"/>'
        + _text(left - 8, y(t) + 4, f"{t:g}", "end")
        for t in ticks
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _figure(inside: str, size: tuple[int, int], caption: str) -> str:
    return (
        f'<figure style="max-width: {size[0]}px"><svg viewBox="0 0 {size[0]} {size[1]}" role="img" '
        f'aria-label="{escape(caption)}">{inside}</svg>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _matrix_cell(cell: Mapping[str, Any]) -> str:
    mark = "good" if cell["actual"] == cell["predicted"] else "bad"
    mark = mark if cell["n"] else "soft"
    share = "" if pd.isna(cell["rate"]) else f"{cell['rate']:.1%}"
    return f'<td><b class="{mark}">{cell["n"]}</b><span class="soft">{share}</span></td>'


def _cell(value: Any, marks: Mapping[str, str], decimals: int) -> str:
    if isinstance(value, bool):
        value = "yes" if value else "no"
    if pd.isna(value):
        return "<td></td>"
    if isinstance(value, pd.Timestamp):
        text = value.strftime("%Y-%m-%d %H:%M").removesuffix(" 00:00")
        return f'<td class="day">{text}</td>'
    if isinstance(value, float):
        return f"<td{NUMBER}>{value:.{decimals}f}</td>"
    if hasattr(value, "__index__"):
        return f"<td{NUMBER}>{int(value)}</td>"
    mark = marks.get(str(value))
    return f"<td{f' class={chr(34)}{mark}{chr(34)}' if mark else ''}>{escape(str(value))}</td>"
