"""What is said in all recordings as one HTML page with a search box, `report.html`.

All that it says is in `transcripts.json` as well; see `whisper.summary`. The page holds its data
and fetches nothing. Texts are put into it as text, never as markup.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

import pandas as pd

from fti import report
from fti.published import to_json

SCORED = (
    "The registered model, as it is served, on clips of the test split that it never learned from: "
    "share of words (characters in Chinese and Japanese) that are wrong after normalisation, with "
    "95 % intervals."
)
HEARD = "Words are what a model heard: they may be wrong, and names often are."
SEARCH = """
<p><input id="asked" type="search" placeholder="Search in all that was said" aria-label="Search"
 style="width: 100%; font: inherit; padding: .5rem .7rem"></p>
<p class="soft" id="count" role="status"></p>
<div id="found"></div>
<noscript><p class="warn">Search needs JavaScript; the texts are in transcripts.json.</p></noscript>
"""
SCRIPT = """
const told = JSON.parse(document.getElementById("data").textContent);
const found = document.getElementById("found"), count = document.getElementById("count");
const asked = document.getElementById("asked"), MOST = 50, SHOWN = 8;
const plain = text => text.normalize("NFC").toLocaleLowerCase();
for (const one of told) one.searched = plain([one.title, one.text].join(" "));
function clock(seconds) {
  const s = Math.floor(seconds), part = n => String(n).padStart(2, "0");
  return part(Math.floor(s / 3600)) + ":" + part(Math.floor(s / 60) % 60) + ":" + part(s % 60);
}
function add(parent, kind, text, name) {
  const made = document.createElement(kind);
  made.textContent = text;
  if (name) made.className = name;
  parent.append(made);
  return made;
}
function show() {
  const words = plain(asked.value).split(/\\s+/).filter(Boolean);
  const fits = text => words.every(word => text.includes(word));
  const hits = told.filter(one => fits(one.searched));
  found.replaceChildren();
  count.textContent = hits.length + " of " + told.length + " recordings"
    + (hits.length > MOST ? ", the first " + MOST + " of them" : "");
  for (const one of hits.slice(0, MOST)) {
    const part = add(found, "section", "");
    const title = add(part, "h3", "");
    if (one.place.startsWith("https://")) {
      const link = add(title, "a", one.title);
      link.href = one.place;
      link.rel = "noopener noreferrer nofollow";
    } else title.textContent = one.title;
    const rate = one.wer ?? one.cer;
    add(part, "p", [one.published.slice(0, 10), one.language, clock(one.seconds),
      rate === undefined ? "" : (100 * rate).toFixed(1) + " % wrong",
      one.truncated ? "not to its end" : ""].filter(Boolean).join(" · "), "soft");
    const some = words.length
      ? one.segments.filter(([, , text]) => words.some(word => plain(text).includes(word))) : [];
    for (const [start, , text] of (some.length ? some : one.segments).slice(0, SHOWN)) {
      const line = add(part, "p", "");
      add(line, "span", clock(start) + " ", "soft");
      line.append(text);
    }
    const more = add(part, "details", "");
    add(more, "summary", "All of it");
    add(more, "p", one.text);
  }
}
asked.addEventListener("input", show);
show();
"""


def render(summary: Mapping[str, Any]) -> str:
    """Give the page of what `summary.summarize` gave."""
    model = summary["model"]
    return report.page(
        "What was said",
        f"Written down by model version {model['version']}; run of {summary['run_date']} (UTC)",
        [
            *(f'<p class="warn">{escape(sentence)}</p>' for sentence in summary["drops"]),
            report.tiles(_tiles(summary)),
            report.paragraph(HEARD),
            SEARCH,
            _left_out(summary),
            report.section("How good the model is", report.paragraph(SCORED), _scores(summary)),
            _failed(summary["failed"]),
            f'<script type="application/json" id="data">{_data(summary["transcripts"])}</script>',
            f"<script>{SCRIPT}</script>",
        ],
    )


def _tiles(summary):
    faster = summary["times_faster"]
    rate = summary["model"]["error_rate"]
    return {
        "recordings": (f"{summary['recordings']:,}", f"{summary['hours']:.1f} hours"),
        "speed": (
            "–" if faster is None else f"{faster:.0f} ×",
            "faster than it was said, decoding included",
        ),
        "wrong on test": ("–" if rate is None else f"{rate:.1%}", "when it was registered"),
    }


def _scores(summary):
    rows = pd.DataFrame(summary["evaluations"])
    if rows.empty:
        return report.paragraph("Not scored yet: no test split is stored.")
    shown = pd.DataFrame(
        {
            "day": rows["evaluated_at"].str[:10],
            "version": rows["model_version"],
            "language": rows["language"],
            "wrong %": 100 * rows["error_rate"],
            "from %": 100 * rows["error_rate_low"],
            "to %": 100 * rows["error_rate_high"],
            "clips": rows["clips"],
            "heard in silence %": 100 * rows["heard_in_silence"].astype(float),
        }
    )
    return report.table(shown.iloc[::-1], decimals=1)


def _left_out(summary):
    if not summary["not_listed"]:
        return ""
    older = f"{summary['not_listed']:,} older recordings are in transcripts.parquet only."
    return report.paragraph(older)


def _failed(failed):
    if not failed:
        return ""
    rows = pd.DataFrame(failed)
    return report.section("Not written down, tried again in the next run", report.table(rows))


def _data(transcripts):
    """Give JSON that cannot end the script it is in, whatever was said."""
    compact = json.dumps(json.loads(to_json(transcripts)), ensure_ascii=False)
    return compact.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
