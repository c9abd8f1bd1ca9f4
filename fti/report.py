"""Self-contained HTML pages of results: one file, no script, no address to fetch anything from.

Pieces take plain values and give HTML; whatever comes from data is escaped. Charts are drawn as
SVG. The page follows the reader's light or dark setting and fits a phone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd

STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#1c2733, #e6edf3);
  --soft: light-dark(#5b6875, #9aa7b4); --line: light-dark(#d9e0e6, #313b45);
  --page: light-dark(#f6f8fa, #11161c); --card: light-dark(#ffffff, #1a2129);
  --accent: light-dark(#0b6bcb, #58a6ff); --good: light-dark(#187741, #4cc38a);
  --bad: light-dark(#b3261e, #ff8a80); }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page);
  margin: 0 auto; padding: 1.5rem; max-width: 60rem; }
h1 { margin: 0; font-size: 1.7rem; } h2 { margin: 2.2rem 0 .6rem; font-size: 1.2rem; }
p { margin: .4rem 0; } .soft { color: var(--soft); }
.tiles { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1.2rem 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  padding: .7rem 1rem; min-width: 8rem; flex: 1; }
.tile b { display: block; font-size: 1.5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; background: var(--card); font-size: .92rem; }
th, td { padding: .35rem .7rem; border: 1px solid var(--line); text-align: left; }
th { color: var(--soft); font-weight: 600; } td.number { text-align: right;
  font-variant-numeric: tabular-nums; }
.good { color: var(--good); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; }
svg { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  max-width: 100%; height: auto; } svg text { fill: var(--soft); font-size: 11px; }
"""


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


def tiles(values: Mapping[str, tuple[str, str]]) -> str:
    """Give a row of tiles: label -> (value, what to compare it with)."""
    cells = [
        f'<div class="tile"><span class="soft">{escape(label)}</span><b>{escape(value)}</b>'
        f'<span class="soft">{escape(beside)}</span></div>'
        for label, (value, beside) in values.items()
    ]
    return f'<div class="tiles">{"".join(cells)}</div>'


def table(rows: pd.DataFrame, marks: Mapping[str, str] | None = None, decimals: int = 3) -> str:
    """Give a table; `marks` colours whole cells by their text, as `good` or `bad`."""
    if rows.empty:
        return paragraph("Nothing yet.")
    head = "".join(f"<th>{escape(str(name).replace('_', ' '))}</th>" for name in rows.columns)
    body = "".join(
        "<tr>" + "".join(_cell(value, marks or {}, decimals) for value in row) + "</tr>"
        for row in rows.itertuples(index=False, name=None)
    )
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def reliability_chart(bins: Sequence[Mapping[str, Any]], size: int = 340) -> str:
    """Draw `quality.reliability_bins`: what was predicted against what happened, with intervals."""
    edge = 40
    span = size - 2 * edge

    def x(share: float) -> float:
        return round(edge + share * span, 1)

    def y(share: float) -> float:
        return round(size - edge - share * span, 1)

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
    ticks = [
        f'<text x="{x(t)}" y="{size - edge + 16}" text-anchor="middle">{t:g}</text>'
        f'<text x="{edge - 8}" y="{y(t) + 4}" text-anchor="end">{t:g}</text>'
        for t in (0, 0.25, 0.5, 0.75, 1)
    ]
    return (
        f'<svg viewBox="0 0 {size} {size}" width="{size}" role="img" '
        'aria-label="Predicted probability against observed rate">'
        f'<line x1="{x(0)}" y1="{y(0)}" x2="{x(1)}" y2="{y(1)}" stroke="var(--line)" '
        f'stroke-dasharray="4"/>{"".join(ticks)}{"".join(marks)}'
        f'<text x="{size / 2}" y="{size - 6}" text-anchor="middle">predicted</text>'
        f'<text x="12" y="{size / 2}" text-anchor="middle" '
        f'transform="rotate(-90 12 {size / 2})">observed</text></svg>'
    )


def _cell(value: Any, marks: Mapping[str, str], decimals: int) -> str:
    if isinstance(value, bool):
        value = "yes" if value else "no"
    if isinstance(value, pd.Timestamp):
        value = value.strftime("%Y-%m-%d %H:%M").removesuffix(" 00:00")
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return "<td></td>"
    if isinstance(value, float):
        return f'<td class="number">{value:.{decimals}f}</td>'
    if hasattr(value, "__index__"):
        return f'<td class="number">{int(value)}</td>'
    mark = marks.get(str(value))
    return f"<td{f' class={chr(34)}{mark}{chr(34)}' if mark else ''}>{escape(str(value))}</td>"
