"""Aurora tonight, and in the next 72 hours: `PYTHONPATH=. python spaces/aurora/app.py`.

Reads what batch inference published for `aurora`, `forecast.json` and `forecast.parquet`, and for
"what if" the model itself. Keeps nothing: a threshold lives in the page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd

from aurora import nights, outlook, pictures
from aurora.features import HOUR
from aurora.feeds.tables import ICONS
from aurora.scoring import Baselines, Scorer, load_baselines, load_scorer
from aurora.sites import SITES
from fti import report, ui
from fti.errors import UserError
from fti.models import ModelFiles
from fti.monitor_app import news

USE_CASE, SUMMARY, TABLE = "aurora", "forecast.json", "forecast.parquet"
QUIET = {"show_progress": "hidden", "api_visibility": "private"}  # of what happens on the page
NIGHT = 24  # hours
NIGHT_WIDTH, ANSWER_WIDTH = "19rem", "14rem"  # at least, for a night and for an answer
THRESHOLD = 40  # percent, where the slider starts
STEADY = "5min"  # pages that are looked at twice within it are the same, and not sent again
VERDICTS = {"good": "good", "possible": "warn", "unlikely": "soft"}
SEEN = {"yes": "good", "no": "soft", "unknown": "soft"}
SEEN_WORDS = {"yes": "yes", "no": "no", "unknown": "not watched"}
ICON_NAMES = [(icon.replace("-", " "), icon) for icon in ICONS]
# Where nothing is known of an hour, what the inputs of "what if" start from
USUAL = {"kp": 2.0, "visibility_km": 10.0, "icon": "cloudy"}
HELD_OUT = {
    "auc": "AUC",
    "average_precision": "average precision",
    "brier": "Brier",
    "dark_auc": "dark: AUC",
    "dark_brier": "dark: Brier",
    "dark_brier_skill": "dark: Brier skill",
}
MODELS = {
    "seed_tree": "the seed's tree",
    "climatology": "climatology (month and hour)",
    "persistence": "persistence (the night before)",
}
BY_LEAD = {
    "hours": "dark hours",
    "brier": "this forecast",
    "climatology_brier": "climatology",
    "persistence_brier": "persistence",
    "seed_tree_brier": "the seed's tree",
    "brier_skill": "skill",
    "auc": "AUC",
}
OF_HOUR = (
    *("probability", "kp", "kp_low", "kp_high", "cloud_cover", "visibility_km", "icon"),
    *("sun_altitude", "moon_altitude", "moon_lit", "climatology", "seed_tree"),
)

INTRODUCTION = (
    "How likely it is that aurora is seen in each of the next 72 hours, by geomagnetic index, "
    "weather, sun and moon. Every forecast is kept, and compared with what a camera saw."
)
LEGEND = (
    "Bars: the chance that aurora is seen in the hour, green from {good} on, yellow-green from "
    "{worthwhile} on. Behind them the sky, from day (light) to night (dark). Below them cloud, the "
    "denser the more, and when the moon is up, the fuller the stronger."
)
KP_LEGEND = (
    "Kp says how disturbed the Earth's magnetic field is, from 0 to 9. Lines on the bars reach "
    "from the lower to the upper quartile, where the forecast gives them."
)
NOBODYS = " Nobody has forecast the dashed ones: there Kp is taken to fall back to its usual level."
WHAT_IF = (
    "The first version of this forecast was a decision tree on three things that its visitors "
    "typed: Kp, visibility and a weather icon. Here it answers again, beside the model of today, "
    "which takes the same three for an hour of your choice and all else from the forecast."
)
RULES = (
    "For today's model your Kp has held for a day, and the icon stands for cloud cover and "
    "precipitation: none for clear, 60% for partly cloudy, 100% for cloudy, fog, rain (0.2 mm) and "
    "snow (0.02 mm), the medians of Kiruna in 2021; wind leaves the cloud of the forecast. Sun, "
    "moon and temperature stay as forecast."
)
ALERT = (
    "Set the chance from which you would go out. The page says whether an hour to come reaches it, "
    "and so does the endpoint, as data, to whatever you have that can ask. Nothing is stored here."
)
RECORD = (
    "Every forecast is kept as it was issued. When the night is over, its dark hours are compared "
    "with what a camera saw. The Brier score is the mean squared error of a probability: 0 is "
    "perfect. Skill is 1 less the Brier score over that of climatology: above 0 is better than "
    "knowing month and hour."
)
SCORES = (
    "Scores on hours that came after all those learned from in this comparison, {start} to {end}, "
    "with Kp and weather as they were observed; what is left when both are forecast is the track "
    "record's. “Dark” is with the sun more than 6° below the horizon."
)
# The browser alone knows the address that the page is seen at
CURL = """(threshold, site) => {
  const config = window.gradio_config || {};
  const root = (config.root || location.origin).replace(/\\/$/, '') + (config.api_prefix || '');
  const asked = JSON.stringify({data: [threshold, site]});
  const ask = (name, data) => `curl -s ${root}/run/${name} -H 'Content-Type: application/json' `
    + `-d '${data}'`;
  return ask('PREFIXalert', asked) + '\\n' + ask('PREFIXalert', asked)
    + ` | grep -q '"above":true' && echo 'Go out'` + '\\n'
    + ask('PREFIXforecast', JSON.stringify({data: [site]}));
}"""


class NoSuchSite(UserError):
    """A site is asked for that no forecast was made for."""


# Reading


@dataclass(frozen=True)
class Forecast:
    """The newest forecast of a site as published; `problem` is why it may be no longer the newest.

    `rows` are those of the site, an hour each; `zone` is that of its local clock.
    """

    site: str
    summary: Mapping[str, Any]
    rows: pd.DataFrame
    problem: str = ""

    @property
    def zone(self) -> str:
        """The zone of the local clock."""
        return SITES[self.site].time_zone

    @property
    def nights(self) -> list[Mapping[str, Any]]:
        """The nights as `forecast.json` has them."""
        return self.summary["sites"][self.site]["nights"]

    @property
    def noons(self) -> list[pd.Timestamp]:
        """The noons (UTC) at which the nights begin."""
        return sorted({outlook.noon(hour) for hour in self.rows["valid_hour"]})

    def night(self, place: int) -> pd.DataFrame:
        """The hours of a night."""
        return self.rows.iloc[NIGHT * place : NIGHT * (place + 1)]

    def top(self, place: int) -> pd.Series:
        """The best hour of a night: of those that were to come when the forecast was made."""
        rows, named = self.night(place), self.nights[place]["best_hour"]
        return outlook.best(rows[rows["valid_hour"] == pd.Timestamp(named)] if named else rows)

    def late(self, now: pd.Timestamp) -> list[str]:
        """Say why it is older than it should be."""
        return [*filter(None, [self.problem]), *outlook.late(self.summary, now, self.site)]

    def signs(self, now: pd.Timestamp) -> dict[str, Any]:
        """Tell machines whose forecast it is, and whether to rely on it."""
        return {
            "site": self.site,
            "issued_at": self.rows["issued_at"].iloc[0].isoformat(),
            "stale": bool(self.late(now)),
            "synthetic": bool(self.summary["is_synthetic"]),
        }


def read(reader: ui.Reader, site: str | None = None) -> Forecast:
    """Give the newest forecast of a site, of the first one when none is named.

    Raises NotYet, Unreachable, OtherVersion, or NoSuchSite naming those there are.
    """
    summary, table = (reader.copy(USE_CASE, name) for name in (SUMMARY, TABLE))
    with ui.understood(USE_CASE):
        sites = list(summary.content["sites"])
        site = sites[0] if site is None else site
        if site not in sites or site not in SITES:
            raise NoSuchSite(f"site must be one of {', '.join(sites)}.")
        rows = table.content[table.content["site"] == site]
        rows = rows.sort_values("valid_hour").reset_index(drop=True)
        problems = [copy.problem for copy in (summary, table) if copy.problem]
        said = (
            f"{problems[0]} What is shown was read at {ui.utc(summary.read_at)}."
            if problems
            else ""
        )
        return Forecast(site, summary.content, rows, said)


def read_any(reader: ui.Reader, site: str) -> Forecast:
    """Give the forecast of the site that a page asks for, of the first one if there is none."""
    try:
        return read(reader, site)
    except NoSuchSite:
        return read(reader)


@lru_cache(maxsize=2)
def known(folder: Path, version: int) -> tuple[Scorer, Baselines]:
    """Read a version of the model, and what it is compared with."""
    return load_scorer(folder), load_baselines(folder)


def now_utc() -> pd.Timestamp:
    """Give this moment."""
    return pd.Timestamp.now("UTC")


# The app


def build(
    project: Any | None = None, *, api_prefix: str = "", clock: Callable[[], pd.Timestamp] = now_utc
) -> gr.Blocks:
    """Give the app; `project` None is the one that `fti.login()` gives when it is first needed."""
    reader = ui.Reader(project)
    with ui.blocks("Aurora") as demo:
        head = ui.html(ui.panel(title(), ui.notice("Reading the newest forecast.", "loading")))
        site = gr.Radio(
            [(name.capitalize(), name) for name in SITES], value=next(iter(SITES)), label="Place",
            visible=False, elem_id="aurora_site",
        )  # fmt: skip
        with gr.Column(visible=False) as page:
            with gr.Tabs():
                with gr.Tab("Forecast"):
                    tonight = ui.html()
                with gr.Tab("What if"):
                    _what_if(demo, reader, site, clock)
                with gr.Tab("Alert"):
                    _alert(demo, reader, site, api_prefix, clock)
                with gr.Tab("Track record"):
                    record = ui.html()
            about = ui.html()
        shown, sent = [head, page, tonight, record, about], gr.State([])

        def look(site: str, sent: list[int]) -> list[Any]:
            return news(contents(reader, site, clock()), sent)

        event = {"fn": look, "inputs": [site, sent], "outputs": [*shown, sent], **QUIET}
        gr.on([demo.load, site.change], **event, concurrency_limit=ui.CONCURRENT)
        gr.Timer(ui.TTL).tick(**event, trigger_mode="once", concurrency_limit=ui.CONCURRENT)
        demo.load(partial(offer_sites, reader), site, site, **QUIET)
        _endpoints(reader, api_prefix, clock)
        ui.health(reader, USE_CASE, [USE_CASE], api_prefix)
    return demo


def _what_if(
    demo: gr.Blocks, reader: ui.Reader, site: gr.Radio, clock: Callable[[], pd.Timestamp]
) -> None:
    ui.html(ui.panel(report.paragraph(WHAT_IF)))
    with gr.Row():
        with gr.Column(scale=2, min_width=280):
            hour = gr.Dropdown([], label="Hour", allow_custom_value=True, elem_id="aurora_hour")
            kp = gr.Slider(
                0, 9, USUAL["kp"], step=0.1, label="Kp (0 quiet, 9 storm)", elem_id="aurora_kp"
            )
            visibility = gr.Slider(
                0, 50, USUAL["visibility_km"], step=0.1, label="Visibility (km)",
                elem_id="aurora_visibility",
            )  # fmt: skip
            icon = gr.Radio(ICON_NAMES, value=USUAL["icon"], label="Weather", elem_id="aurora_icon")
            reset = gr.Button("As forecast for this hour", size="sm")
        with gr.Column(scale=3, min_width=320):
            answer = ui.html(ui.panel(ui.notice("The model is being fetched.", "loading")))
    ui.html(ui.panel(f'<p class="soft">{escape(RULES)}</p>'))
    inputs = [kp, visibility, icon]
    gr.on(
        [demo.load, site.change],
        partial(offer_hours, reader, clock), site, [hour, *inputs], **QUIET,
    )  # fmt: skip
    reset.click(partial(as_forecast, reader), [site, hour], inputs, **QUIET)
    gr.on(
        [one.change for one in (hour, *inputs)],
        partial(show_what_if, reader),
        [site, hour, *inputs],
        answer,
        trigger_mode="always_last",
        concurrency_limit=ui.CONCURRENT,
        **QUIET,
    )


def _alert(
    demo: gr.Blocks,
    reader: ui.Reader,
    site: gr.Radio,
    api_prefix: str,
    clock: Callable[[], pd.Timestamp],
) -> None:
    ui.html(ui.panel(report.paragraph(ALERT)))
    low, high = outlook.LIMITS["threshold"]
    threshold = gr.Slider(
        low, high, THRESHOLD, step=1, label="Tell me from this chance on (percent)",
        elem_id="aurora_threshold",
    )  # fmt: skip
    said = ui.html()
    curl = gr.Textbox(
        label="The same for your own automation (alert, alert in a script, all hours)",
        lines=6, buttons=["copy"], interactive=False, elem_id="aurora_curl",
    )  # fmt: skip

    def tell(site: str, threshold: float) -> str:
        return show_alert(reader, site, threshold, clock())

    changes = [demo.load, threshold.change, site.change]
    gr.on(
        [*changes, gr.Timer(2 * ui.TTL).tick], tell, [site, threshold], said,
        trigger_mode="always_last", concurrency_limit=ui.CONCURRENT, **QUIET,
    )  # fmt: skip
    js = CURL.replace("PREFIX", api_prefix)
    gr.on(changes, None, [threshold, site], curl, js=js, api_visibility="private")


def _endpoints(reader: ui.Reader, api_prefix: str, clock: Callable[[], pd.Timestamp]) -> None:
    def alert(threshold: float = THRESHOLD, site: str | None = None) -> dict:
        """Tell whether the chance of aurora reaches `threshold` (percent) in an hour to come.

        Gives above, threshold, best_hour and its probability (null when no hour is left of the
        forecast), first_hour_above, hours_above (how many), site, issued_at, stale (older than it
        should be) and synthetic (made on invented data). Hours are ISO 8601, the start, in UTC.
        """
        return ui.answered(USE_CASE, lambda: ask_alert(reader, site, threshold, clock()))

    def forecast(site: str | None = None) -> dict:
        """Give the hours of the newest forecast of a site, and whether it is stale or synthetic.

        Each hour has valid_hour (its start, UTC), probability, Kp with quartiles, cloud, sun and
        moon, and what climatology and the seed's tree say. Probabilities are from 0 to 1.
        """
        return ui.answered(USE_CASE, lambda: ask_forecast(reader, site, clock()))

    ui.endpoint(alert, "alert", api_prefix)
    ui.endpoint(forecast, "forecast", api_prefix)


def ask_alert(
    reader: ui.Reader, site: str | None, threshold: Any, now: pd.Timestamp
) -> dict[str, Any]:
    """Give what the endpoint `alert` gives. Raises UserError."""
    limit = outlook.checked_number("threshold", threshold)
    found = read(reader, site)
    return outlook.alert(found.rows, limit, now) | found.signs(now)


def ask_forecast(reader: ui.Reader, site: str | None, now: pd.Timestamp) -> dict[str, Any]:
    """Give what the endpoint `forecast` gives. Raises UserError."""
    found = read(reader, site)
    values = found.rows[list(OF_HOUR)].astype("object")
    hours = values.where(values.notna(), None).to_dict("records")
    starts = found.rows["valid_hour"]
    return {
        **found.signs(now),
        "hindsight": bool(found.summary["hindsight"]),
        "model_version": int(found.rows["model_version"].iloc[0]),
        "hours": [
            {"valid_hour": start.isoformat()} | hour
            for start, hour in zip(starts, hours, strict=True)
        ],
        "credits": list(found.summary["credits"]),
    }


# What is chosen on the page


def offer_sites(reader: ui.Reader, site: str) -> gr.Radio:
    """Let a visitor choose among the sites there are, if there are several."""
    try:
        found = read_any(reader, site)
        names = {name: each["name"] for name, each in found.summary["sites"].items()}
    except UserError:
        return gr.Radio(visible=False)
    choices = [(title, name) for name, title in names.items() if name in SITES]
    # A value that is set, even the same, would fill the form of "what if" in a second time.
    value = {} if found.site == site else {"value": found.site}
    return gr.Radio(choices, visible=len(choices) > 1, **value)


def offer_hours(reader: ui.Reader, clock: Callable[[], pd.Timestamp], site: str) -> list[Any]:
    """Give the hours to choose from, and the inputs of "what if" as forecast for the best one."""
    try:
        found = read_any(reader, site)
        with ui.understood(USE_CASE):
            place = outlook.current(found.noons, clock())
            start = found.top(place)
            choices = [
                (hour_name(row, found.zone), row.valid_hour.isoformat())
                for row in found.rows.itertuples()
            ]
            chosen = gr.Dropdown(choices, value=start["valid_hour"].isoformat())
            return [chosen, *_inputs(start)]
    except UserError:
        return [gr.skip()] * 4


def as_forecast(reader: ui.Reader, site: str, hour: str) -> list[Any]:
    """Give the inputs of "what if" as they are forecast for an hour."""
    try:
        with ui.understood(USE_CASE):
            return _inputs(chosen_hour(read_any(reader, site), hour).iloc[0])
    except UserError as error:
        raise gr.Error(str(error), print_exception=False) from error


def _inputs(row: pd.Series) -> list[Any]:
    """Give Kp, visibility and icon of an hour, what is usual where they are not known."""
    kp, visibility = (
        min(float(row[name]), outlook.LIMITS[name][1]) if pd.notna(row[name]) else USUAL[name]
        for name in ("kp", "visibility_km")
    )
    return [
        round(kp, 1),
        round(visibility, 1),
        row["icon"] if row["icon"] in ICONS else USUAL["icon"],
    ]


def hour_name(row: Any, zone: str) -> str:
    """Name an hour in the list to choose from."""
    light = outlook.light_words(row.sun_altitude)
    hour = row.valid_hour
    return f"{_day(hour)}, {outlook.clock(hour)}, {light}"


def chosen_hour(found: Forecast, hour: Any) -> pd.DataFrame:
    """Give the row of an hour that a visitor names; UserError when the forecast has none such."""
    names = found.rows["valid_hour"].map(pd.Timestamp.isoformat)
    rows = found.rows[names.isin([hour] if isinstance(hour, str) else [])]
    if rows.empty:
        raise UserError("The hour must be one of the 72 of the newest forecast: choose it again.")
    return rows


# The page


def contents(reader: ui.Reader, site: str, now: pd.Timestamp) -> tuple[str, bool, str, str, str]:
    """Give the head of the page, whether there is more, and that: forecast, record, model."""
    now = now.floor(STEADY)
    try:
        found = read_any(reader, site)
        with ui.understood(USE_CASE):
            return (
                ui.panel(title(found), head(found, now)),
                True,
                ui.panel(*forecast(found, now)),
                ui.panel(*track_record(found)),
                ui.panel(model(found.summary["model"]), sources(found)),
            )
    except ui.OtherVersion as error:
        return ui.panel(title(), ui.notice(error, "stale")), False, "", "", ""
    except UserError as error:
        return ui.panel(title(), ui.notice(error)), False, "", "", ""


def title(found: Forecast | None = None) -> str:
    """Give the heading of the page."""
    where = f" over {found.summary['sites'][found.site]['name']}" if found else ""
    return f"<h1>Aurora{escape(where)}</h1>{report.paragraph(INTRODUCTION)}"


def head(found: Forecast, now: pd.Timestamp) -> str:
    """Say how new the forecast is, and what else to know before relying on it."""
    late = found.late(now)
    issued = found.rows["issued_at"].iloc[0]
    badges = [ui.badge("out of date", "bad") if late else ui.badge("up to date", "good")]
    if found.summary["is_synthetic"]:
        badges.append(ui.badge("sample", "warn"))
    if found.summary["hindsight"]:
        badges.append(ui.badge("in hindsight", "warn"))
    said = f"For the 72 hours from {ui.utc(issued)} on. A forecast, not an observation."
    notices = [ui.notice(sentence, "stale") for sentence in late]
    notices += [ui.notice(sentence, "info") for sentence in outlook.cautions(found.summary)]
    return f"<p>{' '.join(badges)} {escape(said)}</p>{''.join(notices)}"


def forecast(found: Forecast, now: pd.Timestamp) -> list[str]:
    """Draw tonight, the three nights hour by hour, and the index."""
    place = outlook.current(found.noons, now)
    shares = {"good": ui.percent(nights.GOOD), "worthwhile": ui.percent(nights.WORTHWHILE)}
    blocks = outlook.kp_blocks(found.rows)
    by_night = [[b for b in blocks if outlook.noon(b.start) == noon] for noon in found.noons]
    nobodys = NOBODYS if any(block.kp_from == "none" for block in blocks) else ""
    return [
        tonight(found, place, now),
        report.section(
            "Three nights, 72 hours",
            grid(NIGHT_WIDTH, *(night(found, k, now) for k in range(len(found.nights)))),
            f'<p class="soft">{escape(LEGEND.format(**shares))}</p>',
            all_hours(found),
        ),
        report.section(
            "Geomagnetic index in three-hour blocks",
            grid(
                NIGHT_WIDTH,
                *(_figure(pictures.kp_svg(part, found.zone)) for part in by_night if part),
            ),
            f'<p class="soft">{escape(KP_LEGEND + nobodys)}</p>',
        ),
    ]


def grid(least: str, *parts: str) -> str:
    """Give parts side by side, each at least so wide (CSS), or below each other on a phone."""
    style = (
        "display: grid; gap: .8rem; align-items: start; "
        f"grid-template-columns: repeat(auto-fit, minmax(min({least}, 100%), 1fr))"
    )
    return f'<div style="{style}">{"".join(f"<div>{part}</div>" for part in parts)}</div>'


def _figure(svg: str) -> str:
    return f'<figure style="max-width: 32rem">{svg}</figure>'


def tonight(found: Forecast, place: int, now: pd.Timestamp) -> str:
    """Draw the night at a glance: verdict, best hour, chance, sky and moon."""
    said, rows, top = found.nights[place], found.night(place), found.top(place)
    verdict = ui.badge(said["verdict"], VERDICTS.get(said["verdict"], "soft"))
    moon = pictures.moon_svg(top["moon_lit"], outlook.is_waxing(found.rows))
    return report.section(
        _when(found, place, now),
        ui.columns(
            f'<p style="font-size: 1.5rem">{verdict}</p>'
            f'<p style="font-size: 1.15rem"><b>{escape(sentence(found, place, now))}</b></p>'
            + _from_now_on(rows, top, now, found.zone)
            + report.facts(_glance(top, rows, found.zone)),
            ui.gauge(float(top["probability"]), "chance in the best hour"),
            f'<div style="max-width: 9rem; margin: 0 auto; text-align: center">{moon}'
            f'<span class="soft">{escape(_moon_words(top, found.rows))}</span></div>',
        ),
    )


def _when(found: Forecast, place: int, now: pd.Timestamp) -> str:
    start = found.noons[place]
    ahead = outlook.nights_ahead(start, now)
    if ahead < 0:
        return f"The night of {pictures.night_words(start, found.zone)} {start:%Y}, at a glance"
    return "Tonight at a glance" if ahead == 0 else "The next night at a glance"


def sentence(found: Forecast, place: int, now: pd.Timestamp) -> str:
    """Say when a night is best; the published sentence calls it what it was on its own day."""
    start = found.noons[place]
    ahead = outlook.nights_ahead(start, now)
    name = nights.title(start.date(), ahead if ahead >= 0 else len(found.nights))
    said = nights.sentence(name, found.top(place))
    return f"The forecast said: {said}." if ahead < 0 else f"{said}."


def _from_now_on(rows: pd.DataFrame, top: pd.Series, now: pd.Timestamp, zone: str) -> str:
    """Say what is left of a night whose best hour is over."""
    left = outlook.best(outlook.to_come(rows, now))
    if left is None or top["valid_hour"] + HOUR > now or not top["probability"] > 0:
        return ""
    if not left["probability"] > 0:
        return report.paragraph("The dark hours of this night are over.")
    return report.paragraph(
        f"That hour is over. Of those to come the best is "
        f"{_both_clocks(left['valid_hour'], zone)}: {ui.percent(left['probability'])}."
    )


def _glance(top: pd.Series, rows: pd.DataFrame, zone: str) -> dict[str, str]:
    """Give what is known of the best hour, and how long it is dark."""
    facts = {"best hour": _both_clocks(top["valid_hour"], zone)} if top["probability"] > 0 else {}
    dark = rows.loc[nights.is_dark(rows), "valid_hour"]
    return facts | {
        "sky": _sky(top),
        "Kp": _kp(top),
        "dark": _darkness(dark, zone),
    }


def _day(hour: pd.Timestamp) -> str:
    return f"{hour:%a} {hour.day} {hour:%b}"


def _both_clocks(hour: pd.Timestamp, zone: str) -> str:
    return f"{outlook.clock(hour)}, that is {outlook.clock(hour, zone)}"


def _sky(row: pd.Series) -> str:
    words, cover = outlook.sky_words(row["cloud_cover"], row["icon"]), row["cloud_cover"]
    return f"{words} ({cover:.0f}% cloud)" if outlook.known(cover) else words


def _kp(row: pd.Series) -> str:
    if not outlook.known(row["kp"]):
        return "unknown"
    likely = ""
    if outlook.known(row["kp_low"]) and outlook.known(row["kp_high"]):
        likely = f", likely {row['kp_low']:.1f} to {row['kp_high']:.1f}"
    return f"{row['kp']:.1f}{likely}"


def _darkness(dark: pd.Series, zone: str) -> str:
    if dark.empty:
        return "not at all"
    first, last = dark.iloc[0], dark.iloc[-1] + HOUR
    there = f"{first.tz_convert(zone):%H}–{last.tz_convert(zone):%H %Z}"
    return f"{first:%H}–{last:%H} UTC, that is {there}"


def _moon_words(top: pd.Series, rows: pd.DataFrame) -> str:
    height = top["moon_altitude"]
    where = f"{height:.0f}° up" if height > 0 else "below the horizon"
    return f"{pictures.moon_words(top['moon_lit'], outlook.is_waxing(rows))}, {where} then"


def night(found: Forecast, place: int, now: pd.Timestamp) -> str:
    """Draw a night as a card: verdict, what it brings, and its hours."""
    said, rows = found.nights[place], found.night(place)
    above, worthwhile = said["hours_above"], ui.percent(nights.WORTHWHILE)
    first = said["first_worthwhile_hour"]
    hours = f"{above} hour{'' if above == 1 else 's'} from {worthwhile} on"
    if first:
        hours += f", the first {outlook.clock(pd.Timestamp(first))}"
    card = (
        f'<div class="tile" style="margin-bottom: .5rem">'
        f"{ui.badge(said['verdict'], VERDICTS.get(said['verdict'], 'soft'))} "
        f"<b>{escape(ui.percent(said['best_probability']))}</b>"
        f"{escape(sentence(found, place, now))}<br>"
        f'<span class="soft">{escape(hours)}</span></div>'
    )
    return card + _figure(pictures.strip_svg(rows.itertuples(), found.zone, now))


def all_hours(found: Forecast) -> str:
    """Give the hours as a table, for who would rather read."""
    rows, zone = found.rows, found.zone
    table = pd.DataFrame(
        {
            "hour": [f"{_day(hour)}, {outlook.clock(hour)}" for hour in rows["valid_hour"]],
            "local": [outlook.clock(hour, zone) for hour in rows["valid_hour"]],
            "chance": [ui.percent(share) for share in rows["probability"]],
            "sky": [
                outlook.sky_words(*of) for of in zip(rows["cloud_cover"], rows["icon"], strict=True)
            ],
            "cloud, %": rows["cloud_cover"].round(),
            "Kp": rows["kp"].round(1),
            "sun, °": rows["sun_altitude"].round(),
            "moon, °": rows["moon_altitude"].round(),
        }
    )
    return (
        "<details><summary>All 72 hours as a table</summary>"
        f'<div class="tall">{report.table(table, decimals=1)}</div></details>'
    )


# What if


def show_what_if(
    reader: ui.Reader, site: str, hour: Any, kp: Any, visibility_km: Any, icon: Any
) -> str:
    """Give as HTML what the seed's tree and the model say of an hour with other inputs."""
    try:
        with ui.understood(USE_CASE):
            return ui.panel(*_what_they_say(reader, site, hour, kp, visibility_km, icon))
    except UserError as error:
        return ui.panel(ui.notice(error))


def _what_they_say(
    reader: ui.Reader, site: str, hour: Any, kp: Any, visibility_km: Any, icon: Any
) -> list[str]:
    kp, visibility_km = (
        outlook.checked_number("kp", kp),
        outlook.checked_number("visibility_km", visibility_km),
    )
    icon = outlook.checked_icon(icon)
    found = read_any(reader, site)
    row = chosen_hour(found, hour)
    said = compare(reader.model(USE_CASE), row, kp, visibility_km, icon)
    seen, forecast_p = said["seed_tree"] >= 0.5, float(row["probability"].iloc[0])
    start = row["valid_hour"].iloc[0]
    tree = f"{'Aurora' if seen else 'No aurora'}"
    return [
        grid(
            ANSWER_WIDTH,
            '<h3 style="margin-top: 0">The seed\'s decision tree</h3>'
            f"<figure>{pictures.sky_svg(seen, icon)}</figure>"
            f'<p><b>{tree}</b> <span class="soft">({escape(ui.percent(said["seed_tree"]))}, '
            "whatever the hour)</span></p>",
            '<h3 style="margin-top: 0">Today\'s model</h3>'
            + ui.gauge(said["probability"], f"chance of aurora {outlook.clock(start)}")
            + report.paragraph(
                f"The forecast for {_both_clocks(start, found.zone)} is {ui.percent(forecast_p)}."
            ),
        ),
        ui.notice(_daylight(row), "info") if outlook.is_daylight(row) else "",
        f'<p class="soft">Answered by model version {said["model_version"]}.</p>',
    ]


def compare(
    model: ModelFiles, row: pd.DataFrame, kp: float, visibility_km: float, icon: str
) -> dict[str, Any]:
    """Give the probabilities of the model and of the seed's tree for an hour with other inputs."""
    scorer, baselines = known(model.folder, model.version)
    asked = outlook.what_if(row, kp, visibility_km, icon)
    return {
        "probability": float(scorer.predict_proba(asked)[0, 1]),
        "seed_tree": float(baselines.seed_tree(asked)[0]),
        "model_version": model.version,
    }


def _daylight(row: pd.DataFrame) -> str:
    height = row["sun_altitude"].iloc[0]
    where = f"{height:.0f}° above" if height >= 0 else f"only {-height:.0f}° below"
    return (
        f"In that hour the sun is {where} the horizon, too light to see any aurora, so the model "
        "says 0 whatever the rest is. The seed's tree knows nothing of the time of day."
    )


# Alert


def show_alert(reader: ui.Reader, site: str, threshold: Any, now: pd.Timestamp) -> str:
    """Say as HTML which hours to come reach a threshold (percent)."""
    try:
        limit = outlook.checked_number("threshold", threshold)
        found = read_any(reader, site)
        with ui.understood(USE_CASE):
            return ui.panel(*_alerts(found, limit, now))
    except UserError as error:
        return ui.panel(ui.notice(error))


def _alerts(found: Forecast, limit: float, now: pd.Timestamp) -> list[str]:
    said, ahead = outlook.alert(found.rows, limit, now), outlook.to_come(found.rows, now)
    if ahead.empty:
        end = found.rows["valid_hour"].iloc[-1] + HOUR
        text = f"The newest forecast ended on {ui.utc(end)}: run `python -m aurora` for a new one."
        return [ui.notice(text, "stale")]
    hour = pd.Timestamp(said["best_hour"])
    best = (
        f"The best hour to come is {_day(hour)}, {_both_clocks(hour, found.zone)}: "
        f"{ui.percent(said['probability'])}."
    )
    notices = [ui.notice(sentence, "stale") for sentence in found.late(now)]
    if not said["above"]:
        text = f"None of the {len(ahead)} hours to come reaches {limit:g}%. {best}"
        return [*notices, f"<p>{ui.badge('below', 'soft')} {escape(text)}</p>"]
    text = f"{said['hours_above']} of the {len(ahead)} hours to come reach {limit:g}%. {best}"
    return [
        *notices,
        f"<p>{ui.badge('above', 'good')} {escape(text)}</p>",
        _spells(ahead, limit, found.zone),
    ]


def _spells(ahead: pd.DataFrame, limit: float, zone: str) -> str:
    shares = ahead.set_index("valid_hour")["probability"]
    table = [
        {
            "from": f"{_day(start)}, {start:%H:%M} UTC",
            "to": f"{end:%H:%M} UTC",
            "on the local clock": f"{start.tz_convert(zone):%H:%M}–{end.tz_convert(zone):%H:%M %Z}",
            "up to": ui.percent(shares[start : end - HOUR].max()),
        }
        for start, end in outlook.spells(list(shares.index[shares >= limit / 100]))
    ]
    return report.table(pd.DataFrame(table))


# Track record, model, sources


def track_record(found: Forecast) -> list[str]:
    """Say how good the forecasts of this site were."""
    record = found.summary["track_record"][found.site]
    notices = [ui.notice(text, "info") for text in outlook.unwatched(found.summary, found.site)]
    if not record["nights"]:
        text = (
            "No night has been scored yet. A forecast is compared with the camera when its night "
            "is over and was watched; the day after the first such night the numbers begin."
        )
        return [report.paragraph(RECORD), ui.notice(text, "empty"), *notices]
    tiles = {
        "nights scored": (f"{record['nights']:,}", f"since {record['since']}"),
        "dark hours watched": (f"{record['dark_hours']:,}", ""),
        "of these with aurora": (_share(record["base_rate"]), "the base rate"),
    }
    chart = record["reliability"]
    return [
        report.paragraph(RECORD),
        *notices,
        report.tiles(tiles),
        report.section("Brier score by lead time", report.table(by_lead(record["by_lead"]))),
        report.section(
            "Said and seen",
            report.beside(
                report.reliability_chart(chart) if chart else "", _recent(record["recent"])
            ),
        ),
    ]


def _share(share: float | None) -> str:
    return "–" if share is None else ui.percent(share)


def by_lead(rows: list[Mapping[str, Any]]) -> pd.DataFrame:
    """Give the scores as a table: a column for each lead time, narrow enough for a phone."""
    columns = {unbroken(row["lead"]): [row[name] for name in BY_LEAD] for row in rows}
    return pd.DataFrame({"Brier score": list(BY_LEAD.values()), **columns}, dtype=object)


def unbroken(text: str) -> str:
    """Keep a few words on one line."""
    return text.replace(" ", "\N{NO-BREAK SPACE}").replace("-", "\N{NON-BREAKING HYPHEN}")


def _table(rows: list[Mapping[str, Any]], titles: Mapping[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(titles)).rename(columns=dict(titles))


def _recent(recent: list[Mapping[str, Any]]) -> str:
    rows = [
        {
            "night": pd.Timestamp(one["night"]),
            "said": _share(one["said"]),
            "seen": SEEN_WORDS.get(one["seen"], str(one["seen"])),
            "hours seen": one["hours_seen"],
            "Brier": one["brier"],
        }
        for one in recent
    ]
    marks = {SEEN_WORDS[state]: mark for state, mark in SEEN.items()}
    caption = "The newest nights: the best probability said, and whether any aurora was seen."
    return (
        f'<div><p class="soft">{escape(caption)}</p>'
        f'<div class="tall">{report.table(pd.DataFrame(rows), marks)}</div></div>'
    )


def model(record: Mapping[str, Any]) -> str:
    """Say which model forecasts, and how good it was on hours held out, beside simpler ones."""
    held_out = record["held_out"]
    scores = {"this model": held_out} | {
        words: held_out[name] for name, words in MODELS.items() if name in held_out
    }
    table = pd.DataFrame(
        [
            {"model": name, **{title: of.get(key) for key, title in HELD_OUT.items()}}
            for name, of in scores.items()
        ]
    )
    start, end = (str(held_out[name])[:10] for name in ("from", "until"))
    lineage = (
        f"Version {record['version']} ({str(record['model']).replace('_', ' ')}), trained on "
        f"{record['rows']:,} watched hours up to {str(record['trained_until'])[:10]}."
    )
    scored = SCORES.format(start=start, end=end)
    return report.section(
        "The model", report.paragraph(lineage), report.table(table), report.paragraph(scored)
    )


def sources(found: Forecast) -> str:
    """Say whose data the forecast is made of, and how new they are."""
    told = [one for one in found.summary["sources"] if one["site"] in (None, found.site)]
    table = _table(told, {"what": "what", "origin": "from", "newest": "newest (UTC)"})
    table["newest (UTC)"] = [_moment(one["newest"]) for one in told]
    credits = "".join(report.paragraph(sentence) for sentence in found.summary["credits"])
    return report.section(
        "Where it comes from", report.table(table), f'<div class="soft">{credits}</div>'
    )


def _moment(text: str | None) -> str:
    return "–" if text is None else f"{pd.Timestamp(text):%Y-%m-%d %H:%M}"


if __name__ == "__main__":
    ui.launch(build)
