"""The monitor of a classifier as a web app: what batch inference published, kept up to date.

Reads `monitor.json` and `monitor.parquet` of one use case (see `fti.monitor`), once for all
viewers, and sends a page what changed since its last look.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, Literal

import gradio as gr
import pandas as pd

from fti import monitor_report, report, ui
from fti.classification import KINDS, Task
from fti.errors import UserError
from fti.monitor import Shown

log = logging.getLogger(__name__)

Kind = Literal["real", "synthetic"]
Wanted = Literal["all", "right", "wrong", "pending"]

EVERY = 30.0  # seconds between two looks of a page
ROWS = 100  # of the table; the CSV has all
LONGEST_SEARCH = 100  # characters
HALF = 300  # pixels: two choices beside each other on a wide page, below each other on a phone
FILTERS = {"all": "All", "right": "Right", "wrong": "Wrong", "pending": "Outcome pending"}
OVER_TIME = (
    "Accuracy of all predictions of a model version up to each day, beside that of always "
    "guessing the most frequent outcome (majority)."
)
# The browser saves the file under the name that the server gave it.
SAVE = """(file) => {
  const link = document.createElement("a");
  link.href = file.url;
  link.download = file.orig_name;
  link.click();
}"""
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how text begins that a spreadsheet would run


@dataclass(frozen=True, kw_only=True)
class View:
    """What the monitor of one use case looks like.

    `picture` draws a row of `monitor.parquet` (column -> value) and `outcome` a value of the
    label, both as SVG.
    """

    task: Task
    shown: Shown
    picture: Callable[[Mapping[str, Any]], str]
    outcome: Callable[[Any], str] | None = None


def build_monitor(
    view: View,
    project: Any | None = None,
    *,
    api_prefix: str = "",
    every: float = EVERY,
    ttl: float = ui.TTL,
) -> gr.Blocks:
    """Give the app; a page looks every `every` seconds, all of them read once per `ttl`."""
    reader, task = ui.Reader(project, ttl), view.task
    with ui.blocks(f"{view.shown.title} (monitor)") as demo:
        head = ui.html(ui.panel(_title(view), ui.notice("Reading the newest results.", "loading")))
        with gr.Column(visible=False) as page:
            kind = _choice("Show", {kind: f"{kind.capitalize()} {task.entities}" for kind in KINDS})
            top = ui.html()
            with gr.Row(equal_height=True):
                wanted = _choice("Predictions", FILTERS)
                text = gr.Textbox(
                    "",
                    label="Search",
                    placeholder="any word in the table",
                    max_length=LONGEST_SEARCH,
                    min_width=HALF,
                )
            table = ui.html()
            download = gr.Button("Download these rows (CSV)", size="sm")
            bottom = ui.html()
        ui.html(ui.panel(_about(every, api_prefix)))
        asked = [kind, wanted, text]
        _keep_up(demo, reader, view, asked, [head, page, top, table, bottom], every)
        _offer_csv(reader, view, asked, download)
        _offer_metrics(reader, task, api_prefix)
        ui.health(reader, f"{task.use_case}_monitor", [task.use_case], api_prefix)
    return demo


def _choice(label: str, names: Mapping[str, str]) -> gr.Radio:
    choices = [(name, key) for key, name in names.items()]
    return gr.Radio(choices, value=choices[0][1], label=label, min_width=HALF)


def _keep_up(
    demo: gr.Blocks,
    reader: ui.Reader,
    view: View,
    asked: Sequence[gr.Component],
    shown: Sequence[gr.Component],
    every: float,
) -> None:
    """Fill the page when it opens, again and again, and whenever something else is asked for."""

    def look(kind: Kind, wanted: Wanted, text: str, sent: list[int]) -> list[Any]:
        return news(contents(reader, view, kind, wanted, text), sent)

    sent = gr.State([])
    event = {
        "fn": look,
        "inputs": [*asked, sent],
        "outputs": [*shown, sent],
        "show_progress": "hidden",
        "api_visibility": "private",
        "concurrency_limit": ui.CONCURRENT,
    }
    demo.load(**event)
    gr.Timer(every).tick(**event, trigger_mode="once")
    gr.on([one.change for one in asked], **event, trigger_mode="always_last")


def _offer_csv(
    reader: ui.Reader, view: View, asked: Sequence[gr.Component], button: gr.Button
) -> None:
    """Make the file when it is asked for: most visitors never do."""
    task, file = view.task, gr.File(visible="hidden")

    def save(kind: Kind, wanted: Wanted, text: str) -> str:
        try:
            rows = _of_kind(_read(reader, task)[1].content, kind, task)
        except UserError as error:
            raise gr.Error(str(error), print_exception=False) from error
        name = f"{task.use_case}_{kind}_{task.entities}.csv"
        return _write_csv(Path(file.GRADIO_CACHE), name, _chosen(view, rows, wanted, text))

    made = button.click(save, asked, file, api_visibility="private")
    made.success(None, file, None, js=SAVE, api_visibility="private")


def _offer_metrics(reader: ui.Reader, task: Task, api_prefix: str) -> None:
    def metrics(kind: Kind = "real") -> dict:
        """Give the model, the scores of its real or synthetic predictions, drift and freshness."""
        return read_metrics(reader, task, kind)

    ui.endpoint(metrics, "metrics", api_prefix)


def read_metrics(reader: ui.Reader, task: Task, kind: Kind) -> dict[str, Any]:
    """Give what the endpoint `metrics` says; raise gr.Error with one sentence if it cannot."""
    if kind not in KINDS:
        raise gr.Error(f"kind is one of {', '.join(KINDS)}.", print_exception=False)
    try:
        summary = reader.copy(task.use_case, "monitor.json")
    except UserError as error:
        raise gr.Error(str(error), print_exception=False) from error
    found = {name: summary.content.get(name) for name in ("model", "drift", "freshness")}
    return {
        "use_case": task.use_case,
        "kind": kind,
        **found,
        **summary.content[kind],
        "read_at": summary.read_at.isoformat(),
        "problem": str(summary.problem) if summary.problem else None,
    }


# What a page shows


def news(contents: Sequence[Any], sent: Sequence[int]) -> list[Any]:
    """Give what differs from what was sent before, and at the end the marks of all of it."""
    marks = [hash(content) for content in contents]
    known = [*sent, *[None] * (len(marks) - len(sent))]
    return [
        *(
            gr.skip() if mark == old else content
            for content, mark, old in zip(map(_update, contents), marks, known, strict=True)
        ),
        marks,
    ]


def _update(content: str | bool) -> Any:
    return gr.update(visible=content) if isinstance(content, bool) else content


def contents(
    reader: ui.Reader, view: View, kind: Kind, wanted: Wanted, text: str
) -> tuple[str, bool, str, str, str]:
    """Give the head of the page, whether there is more, and that: scores, table, model."""
    title = _title(view)
    try:
        summary, recent = _read(reader, view.task)
        drawn = _drawn(view, kind, wanted, text, summary.content, recent.content)
        fresh = freshness(summary.content["freshness"], datetime.now(UTC))
    except UserError as error:
        return ui.panel(title, ui.notice(error)), False, "", "", ""
    except (KeyError, TypeError, ValueError, AttributeError):
        log.warning("%s cannot be drawn", view.task.use_case, exc_info=True)
        return ui.panel(title, ui.notice(_other_version(view.task), "stale")), False, "", "", ""
    return ui.panel(title, fresh, _older(summary, recent)), True, *drawn


def _drawn(
    view: View,
    kind: Kind,
    wanted: Wanted,
    text: str,
    summary: Mapping[str, Any],
    recent: pd.DataFrame,
) -> tuple[str, str, str]:
    """Draw the scores, the table and the model."""
    task, rows = view.task, _of_kind(recent, kind, view.task)
    return (
        ui.panel(
            _latest(view, kind, rows),
            _scores(view, kind, summary[kind], summary["model"]["version"]),
            f"<h2>Newest {kind} {escape(task.entities)}</h2>",
        ),
        ui.panel(_table(view, rows, wanted, text)),
        ui.panel(_drift(task, summary["drift"]), _model(view, summary["model"])),
    )


def _other_version(task: Task) -> str:
    return (
        "The published results were made by another version of the code than this page: run "
        f"`python -m {task.use_case}` again."
    )


def _read(reader: ui.Reader, task: Task) -> tuple[ui.Copy, ui.Copy]:
    return (
        reader.copy(task.use_case, "monitor.json"),
        reader.copy(task.use_case, "monitor.parquet"),
    )


def _of_kind(recent: pd.DataFrame, kind: Kind, task: Task) -> pd.DataFrame:
    """Give the rows of a kind, each with the newest version's prediction, newest first."""
    rows = recent[recent["is_synthetic"] == KINDS[kind]]
    return rows.drop_duplicates(task.key).reset_index(drop=True)


def _title(view: View) -> str:
    return f"<h1>{escape(view.shown.title)}</h1>"


def _about(every: float, api_prefix: str) -> str:
    return (
        f'<p class="soft">This page looks for news every {every:g} seconds; all times are UTC. '
        f"The same numbers as data: /{escape(api_prefix)}metrics, see “Use via API”.</p>"
    )


def freshness(fresh: Mapping[str, str], now: datetime) -> str:
    """Draw whether the newest run is the one to expect at `now` (UTC), and when the next is."""
    expected, stale = (
        datetime.fromisoformat(fresh[name]) for name in ("next_run_expected", "stale_after")
    )
    word, mark = ("up to date", "good") if now < expected else ("next run due", "soft")
    if now >= stale:
        word, mark = "out of date", "bad"
    said = f"Newest run: {fresh['run_date']}. Next one expected after {ui.utc(expected)}."
    return f"<p>{ui.badge(word, mark)} {escape(said)}</p>"


def _older(*copies: ui.Copy) -> str:
    problems = [copy.problem for copy in copies if copy.problem]
    if not problems:
        return ""
    read_at = min(copy.read_at for copy in copies)
    return ui.notice(f"{problems[0]} What is shown was read at {ui.utc(read_at)}.", "unreachable")


def _latest(view: View, kind: Kind, rows: pd.DataFrame) -> str:
    """Draw the newest row with its prediction and outcome."""
    task, title = view.task, f"Latest {kind} {view.task.entity}"
    if rows.empty:
        return report.section(title, ui.notice(f"There are no {kind} {task.entities}.", "empty"))
    first = rows.head(1)
    row = first.to_dict("records")[0]
    who = {
        name.replace("_", " "): _word(values.iloc[0])
        for name, values in view.shown.describe(first).items()
    }
    said = {
        "predicted on": f"{row['predicted_at']:%Y-%m-%d}, by version {row['model_version']}",
        "predicted": task.outcomes[row["predicted"]],
        "outcome": "not known yet" if pd.isna(row["outcome"]) else task.outcomes[row["outcome"]],
    }
    return report.section(
        title,
        ui.columns(
            f'<div class="picture">{view.picture(row)}</div>',
            report.facts({**who, **said}) + _verdict(row),
            _probability(task, row) + _outcome(view, row),
        ),
    )


def _word(value: Any) -> str:
    return "unknown" if pd.isna(value) else str(value)


def _verdict(row: Mapping[str, Any]) -> str:
    if pd.isna(row["outcome"]):
        return ui.badge("outcome pending", "soft")
    right = row["predicted"] == row["outcome"]
    return ui.badge(*(("right", "good") if right else ("wrong", "bad")))


def _probability(task: Task, row: Mapping[str, Any]) -> str:
    if task.is_binary:
        return ui.gauge(row["probability"], f"predicted probability: {task.outcomes[1]}")
    shares = {
        task.outcomes[label]: row[column]
        for label, column in zip(task.labels, task.probability_columns, strict=True)
    }
    return ui.bars(shares, task.outcomes[row["predicted"]])


def _outcome(view: View, row: Mapping[str, Any]) -> str:
    if view.outcome is None or pd.isna(row["outcome"]):
        return ""
    return f'<div class="picture">{view.outcome(row["outcome"])}</div>'


def _scores(view: View, kind: Kind, found: Mapping[str, Any], version: int) -> str:
    """Draw counts, scores, confusion, calibration, history and groups of a kind."""
    task, title = view.task, f"{kind.capitalize()} {view.task.entities}: predicted and true"
    if not found["outcomes"]:
        text = f"{found['predictions']} predictions by version {version}, no outcome known yet."
        return report.section(title, ui.notice(text, "empty"))
    parts = [
        _caution(task, kind),
        report.tiles(_tiles(found)),
        report.beside(
            report.confusion_matrix(found["confusion"], task.outcomes),
            report.reliability_chart(found["reliability"]),
        ),
        "<h3>Over time</h3>",
        report.beside(_over_time(found, version), _previous(task, found.get("previous"), version)),
    ]
    if found.get("groups"):
        table = report.table(monitor_report.group_table(task, found["groups"]))
        parts += ["<h3>By group</h3>", table]
    return report.section(title, *parts)


def _caution(task: Task, kind: Kind) -> str:
    if kind == "synthetic":
        text = f"These {task.entities} are invented by a generator and never train a model."
    else:
        text = f"Each {task.entity} was predicted by models that had not seen its outcome."
    return report.paragraph(text)


def _tiles(found: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    pending = found["predictions"] - found["outcomes"]
    return {
        "accuracy": (_number(found["accuracy"]), f"majority {_number(found['majority'])}"),
        "AUC": (_number(found["auc"]), "0.5 is chance"),
        "Brier score": (_number(found["brier"]), "0 is perfect"),
        "calibration error": (_number(found["calibration_error"]), "0 is perfect"),
        "outcomes known": (f"{found['outcomes']:,}", f"{pending:,} pending"),
    }


def _number(score: float | None) -> str:
    return "–" if score is None else f"{score:.3f}"


def _over_time(found: Mapping[str, Any], version: int) -> str:
    """Draw the accuracy of this version and the one before it, beside the majority's."""
    rows = pd.DataFrame(found["history"])
    days = sorted(rows["day"].unique())
    if len(days) < 2:
        return report.paragraph(f"All predictions are of {days[0]}: a line begins with two days.")
    versions = sorted(rows["model_version"].unique(), reverse=True)
    newest = [v for v in versions if v <= version][:2]
    lines = {f"version {v}": _running(rows[rows["model_version"] == v], days) for v in newest[:1]}
    lines["majority"] = _majority(rows, days)
    lines |= {f"version {v}": _running(rows[rows["model_version"] == v], days) for v in newest[1:]}
    return report.score_chart(days, lines, OVER_TIME)


def _running(rows: pd.DataFrame, days: Sequence[str]) -> list[float]:
    """Give the accuracy of all predictions up to each day, NaN before the first."""
    hits = rows["n"] * rows["accuracy"]
    sums = pd.DataFrame({"n": rows["n"], "hits": hits}).groupby(rows["day"]).sum()
    total = sums.reindex(days, fill_value=0).cumsum()
    return list(total["hits"] / total["n"])


def _majority(rows: pd.DataFrame, days: Sequence[str]) -> list[float]:
    counts = pd.DataFrame(list(rows["counts"])).groupby(rows["day"]).sum()
    total = counts.reindex(days, fill_value=0).cumsum()
    return list(total.max(axis=1) / total.sum(axis=1))


def _previous(task: Task, previous: Mapping[str, Any] | None, version: int) -> str:
    if not previous:
        return report.paragraph("There is no previous version to compare with.")
    rows = [
        {
            "version": str(number),
            "accuracy": previous[f"{prefix}accuracy"],
            "Brier score": previous[f"{prefix}brier"],
        }
        for number, prefix in ((version, "current_"), (previous["version"], ""))
    ]
    text = f"On the {previous['n']:,} {task.entities} that both versions predicted:"
    return f"<div>{report.paragraph(text)}{report.table(pd.DataFrame(rows))}</div>"


# The table of the newest rows


def _chosen(view: View, rows: pd.DataFrame, wanted: Wanted, text: str) -> pd.DataFrame:
    """Give the rows that are wanted and whose line in the table holds the text."""
    known, right = rows["outcome"].notna(), rows["predicted"] == rows["outcome"]
    masks = {"right": known & right, "wrong": known & ~right, "pending": ~known}
    lines = _lines(view, rows).astype(str).apply("\n".join, axis=1, result_type="reduce")
    found = lines.astype(str).str.contains(text.strip(), case=False, regex=False)
    return rows[masks.get(wanted, True) & found]


def _lines(view: View, rows: pd.DataFrame) -> pd.DataFrame:
    table = monitor_report.recent_table(view.task, view.shown, rows)
    table.insert(0, "day", rows["predicted_at"].dt.normalize())
    return table


def _table(view: View, rows: pd.DataFrame, wanted: Wanted, text: str) -> str:
    found = _chosen(view, rows, wanted, text)
    if found.empty:
        return report.paragraph(f"No such {view.task.entities}.")
    lines = _lines(view, found.head(ROWS))
    said = f"{len(lines):,} of {len(found):,} {view.task.entities}, newest first"
    return (
        f'<p class="soft">{escape(said)}</p>'
        f'<div class="tall">{report.table(lines, monitor_report.MARKS, decimals=2)}</div>'
    )


def _write_csv(cache: Path, name: str, rows: pd.DataFrame) -> str:
    """Write rows where gradio serves files from, and removes them; give the path."""
    cache.mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(dir=cache)) / name
    without_formulas(rows).to_csv(path, index=False, lineterminator="\n")
    return str(path)


def without_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """Give a table in which no text is one that a spreadsheet would run: a quote goes before it.

    See https://owasp.org/www-community/attacks/CSV_Injection.
    """
    texts = table.select_dtypes(["object", "string"])
    return table.assign(**{name: column.map(_quoted) for name, column in texts.items()})


def _quoted(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


# The model


def _drift(task: Task, rows: Sequence[Mapping[str, Any]]) -> str:
    title = f"Drift of the synthetic {task.entities}"
    if not rows:
        return report.section(title, report.paragraph("Nothing to compare yet."))
    table = pd.DataFrame(rows)[["feature", "status", "psi", "watch_above", "act_above"]]
    said = (
        f"The newest {rows[0]['n_current']:,} synthetic {task.entities} against "
        f"{rows[0]['n_reference']:,} real ones, by population stability index (PSI). The two "
        "limits, 0.1 and 0.25, are raised by what so few rows scatter."
    )
    return report.section(
        title,
        report.paragraph(said),
        report.table(table.rename(columns={"psi": "PSI"}), monitor_report.MARKS),
    )


def _model(view: View, model: Mapping[str, Any]) -> str:
    registered = model.get("registered_at")
    known = {
        "name": f"{model['name']} version {model['version']}",
        "registered": ui.utc(datetime.fromisoformat(registered)) if registered else "unknown",
        "model": str(model["model"]),
        "trained on": f"{model['rows']:,} rows, SHA-256 {model['data'][:12]}...",
    }
    return report.section(
        "The model",
        report.facts(known),
        report.paragraph(monitor_report.lineage(view.task, view.shown, model)),
        monitor_report.baselines(view.shown, model),
    )
