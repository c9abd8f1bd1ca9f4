"""What a flat is worth, and why: `PYTHONPATH=. python spaces/housing/app.py`.

Reads the models `housing` and `housing_seed_xgboost`, where AutoGluon is installed also
`housing_autogluon`, and what batch inference published: `known_sales.parquet` and `monitor.json`.
Keeps nothing: what is asked about lives in the page and in the link to it.
"""

from __future__ import annotations

import logging
import math
import tarfile
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd

from fti import report, training, ui
from fti.errors import UserError
from fti.models import ModelFiles
from fti.monitor_app import freshness, news
from housing import advice, automl, geocoding, pictures, places, scoring, seed_scoring, table
from housing.advice import AUTOML, FIELDS, MODELS, NUMBERS, OURS, SEED, Flat, money
from housing.features import Past
from housing.places import Atlas, Spot
from housing.scoring import Scorer
from housing.table import UNKNOWN

log = logging.getLogger(__name__)

USE_CASE, KNOWN_SALES, MONITOR = "housing", "known_sales.parquet", "monitor.json"
QUIET = {"show_progress": "hidden", "api_visibility": "private"}  # of what happens on the page
ABSOLUTE = "(link) => link && new URL(link, location.href).href"
NEAR = 10  # comparable sales
SMALL = 0.003  # of the value: contributions below it are told as one
ARCHIVE = "predictor.tar"  # of AutoGluon, in its model
CONFIDENCE_MARKS = {"A": "good", "B": "good", "C": "warn", "D": "bad"}
COMPARABLE = (  # what the endpoint `value` tells of a comparable sale
    *("address", "district", "sold_on", "metres", "living_area_m2", "rooms", "price"),
    "price_today",
)
WIDE, NARROW = "32rem", "22rem"
WAYS = {OURS: "This project's model", SEED: "The first version's XGBoost", AUTOML: "AutoGluon"}
INTRODUCTION = (
    "What would this flat sell for? A model that learned from sales says so, with how sure it is, "
    "what sold nearby, and what made the difference. Nothing you enter is kept."
)
INVENTED = (
    "These flats, streets and prices are invented: this is the built-in sample. For real values "
    "run `python -m housing --source PATH` with sales of your own, in another project."
)
NOT_AN_APPRAISAL = (
    "This is a statistical estimate, not an appraisal: nobody has seen the flat, its state or its "
    "view. Do not base a purchase, a sale or a loan on it alone."
)
TIMES = (
    "Back in time the value follows the model's index of prices in the flat's district. Ahead "
    "nobody knows: the value is left as it is, and its 90 % range is widened by how far the index "
    "moved over 12 months so far ({move}, the root mean square)."
)
LATER_WORDS = {  # of times that are relative to an earlier day than today
    "in a year": "a year later",
    "a year ago": "a year earlier",
    "three years ago": "three years earlier",
}
NO_INDEX = "The index of prices is shorter than 13 months, so nothing is said of the year ahead."
AGENCY = (
    "The model's value with each agency instead, less the mean of all {count}. This is a pattern "
    "in past sales and not an effect: agencies sell different flats, and hiring another one need "
    "not change a price."
)
WHY = (
    "From a usual flat among the known sales to this one. The parts add up to the value; what one "
    "input takes or adds depends on the others. A pattern in data, not a cause."
)
RECORD = (
    "Every flat is valued before its price is seen, from sales known before its day. When the "
    "price is known the error is counted here. MAPE is the mean absolute error in percent of the "
    "price, MdAPE its median, bias the median of the signed error."
)
LIVE = {
    "n": "sales",
    "mape": "MAPE, %",
    "mdape": "MdAPE, %",
    "bias": "bias, %",
    "coverage_90": "in 90 % range, %",
}
SCORES = {
    "mape": "MAPE, %",
    "mdape": "MdAPE, %",
    "within_10": "within 10 %, %",
    "within_20": "within 20 %, %",
    "coverage_90": "in 90 % range, %",
    "ms_per_valuation": "ms",
}
# What is drawn tells which part of it was clicked, in its own units
ON_CLICK = """element.addEventListener('click', (event) => {
  const svg = element.querySelector('svg');
  if (!svg || !svg.contains(event.target)) return;
  const here = new DOMPoint(event.clientX, event.clientY);
  const at = here.matrixTransform(svg.getScreenCTM().inverse());
  trigger('click', {x: at.x, y: at.y});
});"""


# Reading


@dataclass(frozen=True)
class Known:
    """All that a valuation takes: the model, its training record, known sales and where they are.

    `problem` says why the sales may be no longer the newest.
    """

    model: ModelFiles
    record: Mapping[str, Any]
    scorer: Scorer
    past: Past
    atlas: Atlas
    problem: str = ""

    @property
    def sales(self) -> pd.DataFrame:
        """The known sales, in the order of their days."""
        return self.past.known.sales

    @property
    def newest(self) -> pd.Timestamp:
        """The day of the newest known sale."""
        return self.sales["sold_on"].iloc[-1]

    @property
    def currency(self) -> str:
        """What money is in."""
        return self.scorer.currency

    @property
    def is_synthetic(self) -> bool:
        """Tell whether the sales are those of the built-in sample."""
        return bool((self.sales["source"] == "sample").any())

    @property
    def agencies(self) -> tuple[str, ...]:
        """The agencies to choose from; those of the first version where the sales name none."""
        return advice.known_agencies(self.past.level) or advice.SEED_AGENCIES


def read(reader: ui.Reader) -> Known:
    """Give the newest model with the newest known sales. Raises UserError."""
    model = reader.model(USE_CASE)
    with ui.understood(USE_CASE):
        scorer, record, own = _model(model.folder, model.version)
        published, problem = _published_sales(reader)
        if published is None or _mark(published)[1] < _mark(own)[1]:
            published = own
        past, atlas = _surveyed(model, scorer, published)
        return Known(model, record, scorer, past, atlas, problem)


@lru_cache(maxsize=2)
def _model(folder: Path, version: int) -> tuple[Scorer, dict[str, Any], pd.DataFrame]:
    """Read a version of the model, its record, and the sales beside it."""
    record = training.read_record(folder)
    sales = pd.read_parquet(folder / scoring.KNOWN_SALES)
    return scoring.load_scorer(folder), record, sales


def _published_sales(reader: ui.Reader) -> tuple[pd.DataFrame | None, str]:
    """Give the sales that batch inference published, and why they may be old."""
    try:
        copy = reader.copy(USE_CASE, KNOWN_SALES)
    except ui.NotYet:
        return None, ""
    said = (
        f"{copy.problem} What is shown was read at {ui.utc(copy.read_at)}." if copy.problem else ""
    )
    return copy.content, said


def _mark(sales: pd.DataFrame) -> tuple[int, pd.Timestamp, float]:
    """Give what tells two tables of sales apart."""
    return len(sales), sales["sold_on"].max(), float(sales["price"].sum())


_surveys: dict[tuple, tuple[Past, Atlas]] = {}
_surveying = threading.Lock()


def _surveyed(model: ModelFiles, scorer: Scorer, sales: pd.DataFrame) -> tuple[Past, Atlas]:
    """Make sales searchable, once for each version of model and sales; two are kept."""
    key = (model.folder, model.version, *_mark(sales))
    with _surveying:
        if key not in _surveys:
            past = scorer.past(_typed(sales))
            while len(_surveys) >= 2:
                _surveys.pop(next(iter(_surveys)))
            _surveys[key] = past, places.survey(past.known.sales)
        return _surveys[key]


def _typed(sales: pd.DataFrame) -> pd.DataFrame:
    """Give sales in the columns of `housing.table`."""
    days = pd.to_datetime(sales["sold_on"], utc=True).dt.as_unit("us")
    return sales.assign(sold_on=days)[list(table.COLUMNS)].astype(table.COLUMNS)


def now_utc() -> pd.Timestamp:
    """Give this moment."""
    return pd.Timestamp.now("UTC")


# Other models


def other_value(reader: ui.Reader, way: str, row: pd.DataFrame) -> float:
    """Give the value by another model than ours. Raises UserError."""
    model = reader.model(MODELS[way])
    with ui.understood(USE_CASE):
        if way == SEED:
            return float(_seed(model.folder, model.version).predict(row)[0])
        return float(automl.predict(_automl(model.folder, model.version), row)[0])


@lru_cache(maxsize=2)
def _seed(folder: Path, version: int) -> seed_scoring.SeedScorer:
    return seed_scoring.load(folder)


@lru_cache(maxsize=1)
def _automl(folder: Path, version: int) -> Any:
    """Unpack AutoGluon's predictor and keep it in memory; it is made of pickles (housing.training).

    Who may write to the registry is trusted here as everywhere.
    """
    from autogluon.tabular import TabularPredictor

    scratch = Path(tempfile.mkdtemp(prefix="housing-autogluon-"))
    with tarfile.open(folder / ARCHIVE) as packed:
        packed.extractall(scratch, filter="data")
    predictor = TabularPredictor.load(str(scratch))
    predictor.persist()
    return predictor


def ways(reader: ui.Reader) -> dict[str, ModelFiles]:
    """Give the models that can be asked, ours first."""
    found = {}
    for way, name in MODELS.items():
        if way == AUTOML and not automl.installed():
            continue
        try:
            found[way] = reader.model(name)
        except UserError:
            continue
    return found


def way_words(way: str, model: ModelFiles) -> str:
    """Name a model with its measured error, and how long a valuation takes it."""
    scores = model.metrics
    return (
        f"{WAYS[way]}: MAPE {scores['mape']:.1f} %, MdAPE {scores['mdape']:.1f} %, "
        f"{scores['ms_per_valuation']:.1f} ms"
    )


# A valuation


@dataclass(frozen=True)
class Valuation:
    """A flat, `scoring.RESULTS` of it, comparable sales, and another model's value."""

    flat: Flat
    spot: Spot
    row: pd.DataFrame
    valued: Mapping[str, Any]
    comparable: pd.DataFrame
    other: float | None
    is_old: bool  # whether it is the value of an earlier day, since sales end there

    @property
    def day(self) -> pd.Timestamp:
        """The day that it is valued for."""
        return self.row["sold_on"].iloc[0]

    @property
    def value(self) -> float:
        """The value by the model that was chosen."""
        return self.valued["value"] if self.other is None else self.other


def locate(flat: Flat, known: Known) -> Spot:
    """Give where a flat is: by its coordinates, among known sales, or by the geocoder.

    Raises UserError when it is nowhere, or too far from all that is known.
    """
    atlas = known.atlas
    if flat.has_point:
        spot = atlas.at(flat.latitude, flat.longitude)
        return advice.within_reach(spot, atlas)
    spot = atlas.find(flat.street, flat.number)
    return advice.within_reach(spot or _looked_up(flat, atlas), atlas)


def _looked_up(flat: Flat, atlas: Atlas) -> Spot:
    street, _, town = flat.street.partition(",")
    town = town.strip() or atlas.municipality
    place = None
    try:
        book, geocoder = geocoding.configured()
        place = geocoding.locate_one(street, flat.number, town, book=book, geocoder=geocoder)
    except UserError as error:
        log.warning("no address can be looked up: %s", error)
    if place is None:
        raise UserError(
            "Address not found among the known sales, please try another address or click the map."
        )
    return atlas.at(place.latitude, place.longitude, places.LOOKED_UP)


def value(reader: ui.Reader, known: Known, flat: Flat, now: pd.Timestamp) -> Valuation:
    """Value a flat. Raises UserError."""
    spot = locate(flat, known)
    day = advice.day_of_value(now, known.newest)
    row = advice.as_row(flat, spot, day, known.currency)
    valued = known.scorer.value(row, known.past).iloc[0].to_dict()
    comparable = scoring.comparable_sales(row, known.past, NEAR)
    other = None if flat.model == OURS else other_value(reader, flat.model, row)
    return Valuation(flat, spot, row, valued, comparable, other, day < now.normalize())


# The app


def build(
    project: Any | None = None, *, api_prefix: str = "", clock: Callable[[], pd.Timestamp] = now_utc
) -> gr.Blocks:
    """Give the app; `project` None is the one that `fti.login()` gives when it is first needed."""
    reader = ui.Reader(project)
    with ui.blocks("Housing") as demo:
        head = ui.html(ui.panel(title(), ui.notice("The model is being fetched.", "loading")))
        with gr.Tabs():
            with gr.Tab("Value a flat"):
                with gr.Row():
                    with gr.Column(scale=2, min_width=300):
                        inputs = _inputs()
                    with gr.Column(scale=3, min_width=320):
                        answer = ui.html()
                        drawn = ui.html(js_on_load=ON_CLICK, elem_id="housing_map")
                more = ui.html()
                address = gr.Textbox(
                    label="Link to this flat", buttons=["copy"], interactive=False,
                    elem_id="housing_link",
                )  # fmt: skip
                relative = gr.Textbox(visible="hidden")
            with gr.Tab("Track record"):
                record = ui.html()
        about = ui.html()
        sent, sent_answer = gr.State([]), gr.State([])
        timer = gr.Timer(ui.TTL)

        def look(sent: list[int]) -> list[Any]:
            return news([*show_about(reader, clock()), show_record(reader, clock())], sent)

        def show(*shown: Any) -> list[Any]:
            *values, sent = shown
            return news(answers(reader, values, clock()), sent)

        def start(request: gr.Request) -> list[Any]:
            return begin(reader, request.query_params)

        demo.load(start, None, inputs, **QUIET)
        gr.on(
            [demo.load, timer.tick], look, sent, [head, about, record, sent],
            trigger_mode="once", concurrency_limit=ui.CONCURRENT, **QUIET,
        )  # fmt: skip
        gr.on(
            [timer.tick, *(one.change for one in inputs)],
            show,
            [*inputs, sent_answer],
            [drawn, answer, more, relative, sent_answer],
            trigger_mode="always_last",
            concurrency_limit=ui.CONCURRENT,
            **QUIET,
        )
        _places(reader, drawn, dict(zip(FIELDS, inputs, strict=True)))
        # Only the browser knows the address that its page is seen at.
        relative.change(None, relative, address, js=ABSOLUTE, api_visibility="private")
        _endpoints(reader, api_prefix, clock)
        ui.health(reader, USE_CASE, [USE_CASE], api_prefix)
    return demo


def _inputs() -> list[gr.components.Component]:
    """Give the components that ask for a flat, in the order of FIELDS."""
    street = gr.Dropdown(
        [], label="Street", info="Choose or type one, or click the map", allow_custom_value=True,
        elem_id="housing_street",
    )  # fmt: skip
    with gr.Row():
        number = gr.Textbox(label="Street number", max_lines=1, max_length=20, min_width=100)
        size = _number("living_area_m2", "Size (m²)")
    with gr.Row():
        rooms = _number("rooms", "Rooms")
        floor = _number("floor", "Floor (0: ground)")
    with gr.Row():
        fee = _number("fee", "Monthly fee")
        running_cost = _number("running_cost", "Monthly running cost")
    with gr.Row():
        balcony, elevator = (_flag(name, label) for name, label in advice.FLAGS.items())
    with gr.Row():
        year_built = _number("year_built", "Year built")
        agency = gr.Dropdown(
            [("not chosen", UNKNOWN)], value=UNKNOWN, label="Agency", min_width=120,
            elem_id="housing_agency",
        )  # fmt: skip
    model = gr.Radio([(WAYS[OURS], OURS)], value=OURS, label="Model", elem_id="housing_model")
    with gr.Row():
        latitude = _number("latitude", "Latitude")
        longitude = _number("longitude", "Longitude")
    said = "Empty fields are not known. Latitude and longitude, once given, go before the address."
    ui.html(ui.panel(f'<p class="soft" style="font-size: .85rem">{said}</p>'))
    return [
        *(street, number, size, rooms, fee, running_cost, floor, year_built, balcony, elevator),
        *(agency, model, latitude, longitude),
    ]


def _number(name: str, label: str) -> gr.Number:
    return gr.Number(label=label, min_width=120, elem_id=f"housing_{name}")


def _flag(name: str, label: str) -> gr.Dropdown:
    choices = [advice.YES, advice.NO, ("not known", UNKNOWN)]
    return gr.Dropdown(
        choices, value=UNKNOWN, label=label, min_width=120, elem_id=f"housing_{name}"
    )


def _places(
    reader: ui.Reader, drawn: gr.HTML, inputs: Mapping[str, gr.components.Component]
) -> None:
    """Let a click on the map fill in the place, and a street that is typed take it back."""
    point = [inputs["latitude"], inputs["longitude"]]

    def clicked(event: gr.EventData) -> list[Any]:
        return pointed_at(reader, event._data)

    drawn.click(clicked, None, [inputs["street"], inputs["number"], *point], **QUIET)
    typed = [inputs["street"].input, inputs["number"].input]
    gr.on(typed, lambda: [None, None], None, point, **QUIET)


def pointed_at(reader: ui.Reader, where: Any) -> list[Any]:
    """Give street, number, latitude and longitude of a place on the map; none beside it."""
    try:
        known = read(reader)
        shown = frame(known)
        at = where if isinstance(where, Mapping) else {}
        x, y = (advice.as_number(at.get(name)) for name in ("x", "y"))
        latitude, longitude = shown.coordinates(x, y)
        near = known.atlas.nearest(latitude, longitude)
    except (UserError, TypeError, ValueError, AttributeError):
        return [gr.skip()] * 4
    street = near.street if near and near.street != UNKNOWN else ""
    return [places.spoken(street), "", latitude, longitude]


def begin(reader: ui.Reader, query: Mapping[str, str]) -> list[Any]:
    """Give the inputs their choices, and the flat of the page's address or a usual one."""
    try:
        known = read(reader)
        with ui.understood(USE_CASE):
            return starting(reader, known, query)
    except UserError:
        return [gr.skip()] * len(FIELDS)


def starting(reader: ui.Reader, known: Known, query: Mapping[str, str]) -> list[Any]:
    """Give what the inputs show at the beginning."""
    asked = advice.read_link(query)
    flat = Flat() if asked else advice.usual_flat(known.past, known.atlas)
    values = {name: getattr(flat, name) for name in FIELDS} | asked
    streets = known.atlas.streets()
    street = "" if values["street"] == UNKNOWN else values["street"]
    agencies = [("not chosen", UNKNOWN), *((name, name) for name in known.agencies)]
    agency = values["agency"] if values["agency"] in known.agencies else UNKNOWN
    found = ways(reader)
    choices = [(way_words(way, model), way) for way, model in found.items()]
    way = values["model"] if values["model"] in found else OURS
    number = "" if values["number"] == UNKNOWN else str(values["number"])
    shown = values | {
        "street": gr.Dropdown(
            streets, value=street if asked else places.spoken(street), allow_custom_value=True
        ),
        "number": number.upper(),
        "agency": gr.Dropdown(agencies, value=agency),
        **{name: _flag_value(values[name]) for name in advice.FLAGS},
        "model": gr.Radio(choices or [(WAYS[OURS], OURS)], value=way),
    }
    # A link may hold text where a number belongs; the fields of numbers show numbers only
    for name in NUMBERS:
        shown[name] = advice.as_number(shown[name])
    return [shown[name] for name in FIELDS]


def _flag_value(given: Any) -> str:
    return given if given in (advice.YES, advice.NO) else UNKNOWN


def answers(reader: ui.Reader, shown: list[Any], now: pd.Timestamp) -> list[str]:
    """Give map, answer, what is below it, and the link, for what the inputs show."""
    try:
        known = read(reader)
    except UserError as error:
        return ["", ui.panel(ui.notice(error)), "", ""]
    try:
        with ui.understood(USE_CASE):
            given = dict(zip(FIELDS, shown, strict=True))
            flat = advice.checked(given, known.atlas, known.agencies)
            found = value(reader, known, flat, now)
            return [
                ui.panel(*draw_map(known, found)),
                ui.panel(*draw_value(known, found)),
                ui.panel(*draw_more(known, found)),
                advice.link(flat),
            ]
    except UserError as error:
        return [ui.panel(*draw_map(known, None)), ui.panel(ui.notice(error)), "", ""]


# Endpoints


def _endpoints(reader: ui.Reader, api_prefix: str, clock: Callable[[], pd.Timestamp]) -> None:
    def value(
        street: str = "",
        number: str = "",
        living_area_m2: float = 50,
        rooms: float | None = None,
        fee: float | None = None,
        running_cost: float | None = None,
        floor: float | None = None,
        year_built: float | None = None,
        balcony: bool | None = None,
        elevator: bool | None = None,
        agency: str | None = None,
        model: str = OURS,
        latitude: float | None = None,
        longitude: float | None = None,
    ) -> dict:
        """Give what a flat would sell for, with 80 and 90 % ranges and comparable sales.

        Needs the living area in m² and a place: a street, with "Storgatan, Solna" to name the town,
        or latitude and longitude (WGS 84), which go before it. fee and running_cost are a month's,
        floor 0 is the ground floor, elevator a lift; what is left out is not known. model is ours,
        seed_xgboost or autogluon; ranges, confidence (A to D) and comparables are always ours.
        Money is in `currency`; `day` is what it is valued for, `warnings` what to know before
        relying on it. It is no appraisal, and invented where `synthetic` is true.
        """
        given = (
            *(street, number, living_area_m2, rooms, fee, running_cost, floor, year_built),
            *(balcony, elevator, agency, model, latitude, longitude),
        )
        return ui.answered(
            USE_CASE, lambda: ask(reader, dict(zip(FIELDS, given, strict=True)), clock())
        )

    def metrics() -> dict:
        """Give how good the valuations are: scores of the models, and the live errors since then.

        mape and mdape are the mean and median absolute error in percent of the price, coverage_90
        the percentage of prices within the 90 % range.
        """
        return ui.answered(USE_CASE, lambda: ask_metrics(reader))

    ui.endpoint(value, "value", api_prefix)
    ui.endpoint(metrics, "metrics", api_prefix)


def ask(reader: ui.Reader, given: Mapping[str, Any], now: pd.Timestamp) -> dict[str, Any]:
    """Give what the endpoint `value` gives. Raises UserError."""
    known = read(reader)
    flat = advice.checked(given, known.atlas, known.agencies)
    found = value(reader, known, flat, now)
    sales = found.comparable
    days = sales["sold_on"].dt.strftime("%Y-%m-%d")
    comparables = sales.assign(sold_on=days)[list(COMPARABLE)].astype("object")
    return {
        "value": found.value,
        "currency": known.currency,
        "model": flat.model,
        **{name: found.valued[name] for name in ("low_80", "high_80", "low_90", "high_90")},
        "confidence": found.valued["confidence"],
        "day": f"{found.day:%Y-%m-%d}",
        "place": _place(found.spot),
        "comparables": comparables.where(comparables.notna(), None).to_dict("records"),
        "warnings": warnings(known, found),
        "synthetic": known.is_synthetic,
        "model_version": known.model.version,
        "newest_sale": f"{known.newest:%Y-%m-%d}",
        "link": advice.link(flat),
    }


def _place(spot: Spot) -> dict[str, Any]:
    found = {name: getattr(spot, name) for name in ("latitude", "longitude", "metres")}
    found = {name: None if math.isnan(number) else number for name, number in found.items()}
    texts = ("precision", "street", "number", "district", "municipality")
    return found | {name: getattr(spot, name) for name in texts}


def ask_metrics(reader: ui.Reader) -> dict[str, Any]:
    """Give what the endpoint `metrics` gives. Raises UserError."""
    summary = reader.published(USE_CASE, MONITOR)
    model = summary["model"]
    return {
        "use_case": summary["use_case"],
        "synthetic": summary["is_synthetic"],
        "currency": summary["currency"],
        "model": {name: model[name] for name in ("name", "version", "metrics")},
        "other_models": summary["other_models"],
        "live": summary["live"],
        "freshness": summary["freshness"],
    }


# The answer


def warnings(known: Known, found: Valuation) -> list[str]:
    """Say what to know before relying on a valuation."""
    said = []
    if found.is_old:
        newest = _date(known.newest)
        said.append(
            f"The newest known sale is of {newest}: this is the value of then, not today's."
        )
    said += advice.unusual(found.flat, found.spot, known.record)
    if found.flat.agency != UNKNOWN and not advice.known_agencies(known.past.level):
        said.append("No known sale names its agency, so that counts nothing.")
    return said


def frame(known: Known) -> pictures.Frame | None:
    """Give what the map shows; None where no sale has coordinates."""
    return pictures.frame(known.sales["latitude"], known.sales["longitude"])


def draw_map(known: Known, found: Valuation | None) -> list[str]:
    """Draw where sales were, what they cost per m², and the flat with its comparable sales."""
    shown = frame(known)
    if shown is None:
        return [ui.notice("No known sale has coordinates, so there is no map.", "info")]
    sales = known.sales.tail(5 * pictures.MOST_DOTS).dropna(subset=["latitude", "longitude"])
    sales = sales.tail(pictures.MOST_DOTS)
    sales = sales.assign(per_m2=sales["price"] / sales["living_area_m2"])
    flat, near = None, []
    if found is not None:
        spot = found.spot
        if not math.isnan(spot.latitude):
            flat = pictures.Point(spot.latitude, spot.longitude, _where(found))
        near = [_point(rank, sale) for rank, sale in enumerate(_rows(found.comparable), start=1)]
    note = (
        "The newest sales, coloured by price per m²; numbers are the comparable ones. Click to "
        "choose a place, or type latitude and longitude."
    )
    if not pictures.has_geography(shown):
        note += " Of this town no land and water are drawn."
    return [
        f"<figure>{pictures.map_svg(shown, sales, flat, near)}</figure>",
        pictures.legend(sales, known.currency),
        f'<p class="soft" style="font-size: .85rem">{escape(note)}</p>',
    ]


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return table.to_dict("records")


def _point(rank: int, sale: Mapping[str, Any]) -> pictures.Point:
    words = f"{rank}. {places.spoken(sale['address'])}, {sale['living_area_m2']:g} m²"
    return pictures.Point(sale["latitude"], sale["longitude"], words)


def _where(found: Valuation) -> str:
    spot = found.spot
    if spot.street == UNKNOWN:
        return f"{spot.latitude:.5f}, {spot.longitude:.5f}"
    return spot.address


def draw_value(known: Known, found: Valuation) -> list[str]:
    """Draw the value with its ranges, how sure it is, and what to know before relying on it."""
    currency, valued = known.currency, found.valued
    other = None if found.other is None else (WAYS[found.flat.model], found.other)
    when = f"as of {_date(found.day)}" if found.is_old else "today"
    what = f"Predicted price of the flat {when}"
    per_m2 = money(found.value / found.flat.living_area_m2, currency)
    grade = valued["confidence"]
    sure = ui.badge(f"confidence: {advice.CONFIDENCE[grade]}", CONFIDENCE_MARKS[grade])
    notices = [ui.notice(text, "info") for text in warnings(known, found)]
    return [
        f'<div class="tile" style="margin: .4rem 0"><span class="soft">{escape(what)}</span>'
        f'<b style="font-size: 2rem">{escape(money(found.value, currency))}</b>'
        f'<span class="soft">{escape(_of_flat(found))}; {escape(per_m2)} per m²</span></div>',
        _other_words(known, found) if other else "",
        f'<p>{sure} <span class="soft">{escape(_sure(valued))}</span></p>',
        _figure(pictures.range_svg(valued, currency, other)),
        report.paragraph(_range_words(valued, currency)),
        *notices,
        f'<p class="soft">{escape(NOT_AN_APPRAISAL)}</p>',
    ]


def _of_flat(found: Valuation) -> str:
    district = "" if found.spot.district == UNKNOWN else f", {places.spoken(found.spot.district)}"
    return f"{_where(found)}{district}, {found.flat.living_area_m2:g} m²"


def _other_words(known: Known, found: Valuation) -> str:
    """Say what our model says, where another one was chosen: that one gives no range."""
    ours = money(found.valued["value"], known.currency)
    return report.paragraph(
        f"{WAYS[found.flat.model]} gives a value and nothing else. Ranges, comparable sales and "
        f"reasons are those of this project's model, which says {ours}."
    )


def _sure(valued: Mapping[str, Any]) -> str:
    half = (valued["high_90"] - valued["low_90"]) / 2 / valued["value"]
    return f"Nine in ten such flats sell within about {half:.0%} of the value."


def _range_words(valued: Mapping[str, Any], currency: str) -> str:
    low_80, high_80, low_90, high_90 = (
        money(valued[name], currency) for name in ("low_80", "high_80", "low_90", "high_90")
    )
    return f"80 % range: {low_80} to {high_80}. 90 % range: {low_90} to {high_90}."


def draw_more(known: Known, found: Valuation) -> list[str]:
    """Draw comparable sales, contributions, other times and agencies."""
    return [
        report.section(
            "Comparable sales",
            report.paragraph(
                f"The most similar sales known before {_date(found.day)}, by place, time and size. "
                "“At the index” is the price at the level of prices of that day."
            ),
            report.table(comparable_table(known, found), decimals=1),
        ),
        grid(
            NARROW,
            report.section("Why", report.paragraph(WHY), _figure(_why(known, found))),
            report.section("At other times", *_times(known, found)),
        ),
        _agencies(known, found),
    ]


def comparable_table(known: Known, found: Valuation) -> pd.DataFrame:
    """Give the comparable sales as a table to read."""
    sales, currency = found.comparable, known.currency
    per_m2 = sales["price"] / sales["living_area_m2"]
    return pd.DataFrame(
        {
            "no.": sales["rank"],
            "address": [_address(sale) for sale in _rows(sales)],
            "away": [_distance(metres) for metres in sales["metres"]],
            "sold": sales["sold_on"],
            "m²": sales["living_area_m2"],
            "rooms": sales["rooms"],
            f"price, {currency}": sales["price"].round().astype("int64").map("{:,}".format),
            "per m²": per_m2.round().astype("int64").map("{:,}".format),
            "at the index": sales["price_today"].round(-3).astype("int64").map("{:,}".format),
        }
    )


def _address(sale: Mapping[str, Any]) -> str:
    if sale["street"] == UNKNOWN:
        return "not known"
    number = "" if sale["number"] == UNKNOWN else f" {sale['number'].upper()}"
    return f"{places.spoken(sale['street'])}{number}"


def _distance(metres: float) -> str:
    if math.isnan(metres):
        return "–"
    return f"{metres:.0f} m" if metres < 1000 else f"{metres / 1000:.1f} km"


def _why(known: Known, found: Valuation) -> str:
    parts = known.scorer.contributions(found.row, known.past).iloc[0]
    usual, parts = float(parts["usual"]), parts.drop("usual")
    names = input_words(found.flat, found.spot, known.currency)
    least = SMALL * found.valued["value"]
    large = parts[parts.abs() >= least].sort_values(key=abs, ascending=False)
    drawn = {names[name]: float(change) for name, change in large.items()}
    rest = float(parts.sum() - large.sum())
    if abs(rest) >= 500:
        drawn["all else"] = rest
    return pictures.contributions_svg(drawn, usual, known.currency)


def input_words(flat: Flat, spot: Spot, currency: str) -> dict[str, str]:
    """Say in a few words what each of `scoring.INPUTS` is."""

    def of(name: str, form: str, without: str) -> str:
        amount = getattr(flat, name)
        return without if amount is None else form.format(advice.said(amount))

    of_house = {1.0: advice.YES, 0.0: advice.NO}.get(spot.elevator, UNKNOWN)
    flags = {advice.YES: "{}", advice.NO: "no {}", UNKNOWN: "{} not known"}
    lift = of_house if flat.elevator == UNKNOWN else flat.elevator
    district = "location" if spot.district == UNKNOWN else f"in {places.spoken(spot.district)}"
    return {
        "size": of("living_area_m2", "{} m²", ""),
        "rooms": of("rooms", "{} rooms", "rooms not known"),
        "fee": of("fee", "fee {}", "fee not known"),
        "running_cost": of("running_cost", "running cost {}", "running cost: –"),
        "floor": of("floor", "floor {}", "floor not known"),
        "balcony": flags[flat.balcony].format("balcony"),
        "elevator": flags[lift].format("lift"),
        "year_built": of("year_built", "built {}", "year not known"),
        "association": "no association" if spot.association == UNKNOWN else spot.association[:20],
        "agency": "no agency" if flat.agency == UNKNOWN else flat.agency[:20],
        "location": district[:22],
        "date": "date of sale",
        "together": "all together",
    }


def _times(known: Known, found: Valuation) -> list[str]:
    level = known.past.level
    moments = advice.at_other_times(known.past, found.row, found.valued)
    days = advice.months(known.past, found.row)
    values = found.valued["value"] * advice.index(level, found.row, days)
    chart = pictures.history_svg(days, list(values), found.valued, moments[0], known.currency)
    move = advice.yearly_move(level)
    how = NO_INDEX if move is None else TIMES.format(move=f"{math.expm1(move):.1%}")
    lines = "".join(f"<li>{_moment(known, found, moment)}</li>" for moment in moments)
    return [f'<ul style="padding-left: 1.2rem">{lines}</ul>', _figure(chart), report.paragraph(how)]


def _moment(known: Known, found: Valuation, moment: advice.Moment) -> str:
    """Say as HTML what the flat is worth at another time, and how much that is more or less."""
    currency = known.currency
    if moment.value is None and moment.name == "in a year":
        return escape("In a year: not known, the sales reach back less than 13 months.")
    if moment.value is None:
        first = _date(advice.first_day(known.past))
        why = f"the sales begin on {first}"
        if moment.day >= found.day:
            why = f"the sales end on {_date(known.newest)}"
        return escape(f"If sold {_relative(moment.name, found)}: not known, {why}.")
    value, span = money(moment.value, currency), _span(moment, currency)
    when = _relative(moment.name, found)
    when += "" if when.startswith("before") else f" ({_date(moment.day)})"
    if moment.difference == 0:
        return f"If sold {escape(when)}: <b>{escape(value)}</b> as well, {escape(span)}."
    rounded = advice.rounded_money(moment.value) - advice.rounded_money(found.valued["value"])
    word = "more" if rounded > 0 else "less" if rounded < 0 else "the same"
    difference = money(rounded, currency, sign=True)
    return (
        f"If sold {escape(when)} it would have been worth {word}: <b>{escape(value)}</b> "
        f"({escape(difference)})."
    )


def _relative(name: str, found: Valuation) -> str:
    """Name a time relative to the day of the value, which need not be today."""
    return LATER_WORDS.get(name, name) if found.is_old else name


def _span(moment: advice.Moment, currency: str) -> str:
    return f"in nine of ten cases {money(moment.low, currency)} to {money(moment.high, currency)}"


def _agencies(known: Known, found: Valuation) -> str:
    """Draw the agencies with the highest values, as the first version did."""
    best = advice.agency_effects(known.scorer, known.past, found.row)
    if best.empty:
        text = "No known sale names its agency, so the model tells nothing of them."
        return report.section("Agencies", ui.notice(text, "info"))
    currency = known.currency
    mean = advice.rounded_money(float((best["value"] - best["difference"]).iloc[0]))
    more = best["value"].map(advice.rounded_money) - mean
    rows = pd.DataFrame(
        {
            "agency": best["agency"],
            "value": [money(amount, currency) for amount in best["value"]],
            "than the mean": [money(amount, currency, sign=True) for amount in more],
        }
    )
    count = len(advice.known_agencies(known.past.level))
    return report.section(
        "Agencies", ui.notice(AGENCY.format(count=count), "info"), report.table(rows)
    )


def grid(least: str, *parts: str) -> str:
    """Give parts side by side, each at least so wide (CSS), or below each other on a phone."""
    style = (
        "display: grid; gap: .2rem 1.6rem; align-items: start; "
        f"grid-template-columns: repeat(auto-fit, minmax(min({least}, 100%), 1fr))"
    )
    return f'<div style="{style}">{"".join(f"<div>{part}</div>" for part in parts)}</div>'


def _figure(svg: str) -> str:
    return f'<figure style="max-width: {WIDE}">{svg}</figure>'


def _date(day: pd.Timestamp) -> str:
    return f"{day.day} {day:%B %Y}"


# Head and track record


def title() -> str:
    """Give the heading of the page."""
    return f"<h1>What is this flat worth?</h1>{report.paragraph(INTRODUCTION)}"


def show_about(reader: ui.Reader, now: pd.Timestamp) -> tuple[str, str]:
    """Say as HTML how new the sales are, and which model answers and how good it is."""
    try:
        known = read(reader)
        with ui.understood(USE_CASE):
            return ui.panel(title(), *head(known, now)), ui.panel(model(known))
    except UserError as error:
        kind = "stale" if isinstance(error, ui.OtherVersion) else None
        return ui.panel(title(), ui.notice(error, kind)), ""


def head(known: Known, now: pd.Timestamp) -> list[str]:
    """Say what is to be known before anything else."""
    old = now.normalize() - known.newest > advice.OLD
    badges = [ui.badge("out of date", "bad") if old else ui.badge("up to date", "good")]
    notices = [ui.notice(known.problem, "stale")] if known.problem else []
    if known.is_synthetic:
        badges.append(ui.badge("sample", "warn"))
        notices.append(ui.notice(INVENTED, "info"))
    said = f"{len(known.sales):,} known sales, the newest of {_date(known.newest)}."
    return [f"<p>{' '.join(badges)} {escape(said)}</p>", *notices]


def model(known: Known) -> str:
    """Say which model answers, and how good it was on sales held out."""
    record, scores = known.record, known.model.metrics
    held_out = record["held_out"]
    text = (
        f"Version {known.model.version}, trained on {record['rows']:,} sales up to "
        f"{record['trained_until']}. Before that it was fitted on the sales up to "
        f"{held_out['train_until']} alone and valued the {held_out['rows']['test']:,} after them: "
        f"the mean error (MAPE) was {scores['mape']:.1f} %, the median (MdAPE) "
        f"{scores['mdape']:.1f} %, and {scores['coverage_90']:.0f} % of the prices were within the "
        "90 % range."
    )
    return report.section("The model", report.paragraph(text))


def show_record(reader: ui.Reader, now: pd.Timestamp) -> str:
    """Draw as HTML how good the valuations are."""
    try:
        summary = reader.published(USE_CASE, MONITOR)
        with ui.understood(USE_CASE):
            return ui.panel(*track_record(summary, now))
    except UserError as error:
        return ui.panel(ui.notice(error))


def track_record(summary: Mapping[str, Any], now: pd.Timestamp) -> list[str]:
    """Draw live errors, the models compared, the market, drift and sources."""
    return [
        freshness(summary["freshness"], now.to_pydatetime()),
        report.paragraph(RECORD),
        *_live(summary["live"]),
        report.section("The models", *_models(summary)),
        report.section("The market", *_market(summary["market"])),
        report.section("Drift", *_drift(summary["drift"])),
        report.section("The sales", *_sources(summary["sources"], summary["credits"])),
    ]


def _live(live: Mapping[str, Any]) -> list[str]:
    waiting = f"{live['listings_waiting']:,} flats are for sale and wait for their price."
    if not live["scored"]:
        text = f"No valuation has met its price yet. {waiting}"
        return [ui.notice(text, "empty")]
    tiles = {
        "sales scored": (f"{live['scored']:,}", f"since {str(live['since'])[:10]}"),
        "MAPE": (_percent(live["mape"]), f"first version {_percent(live['seed_mape'])}"),
        "MdAPE": (_percent(live["mdape"]), "half are closer"),
        "in the 90 % range": (_percent(live["coverage_90"]), "should be 90 %"),
        "bias": (_percent(live["bias"]), "below 0: too low"),
    }
    tables = {"Month": "month", "District": "district", "Price band": "price_band"}
    return [
        report.tiles(tiles),
        report.paragraph(waiting),
        *(
            report.section(f"Error by {title.lower()}", _by(live[f"by_{name}"], name, title))
            for title, name in tables.items()
        ),
    ]


def _by(rows: list[Mapping[str, Any]], name: str, title: str) -> str:
    columns = {name: title.lower()} | LIVE
    found = pd.DataFrame(rows, columns=list(columns)).rename(columns=columns)
    found[title.lower()] = [_spoken_name(text, name) for text in found[title.lower()]]
    return f'<div class="tall">{report.table(found, decimals=1)}</div>'


def _spoken_name(text: Any, name: str) -> str:
    return places.spoken(str(text)) if name == "district" else str(text)


def _models(summary: Mapping[str, Any]) -> list[str]:
    model, currency = summary["model"], summary["currency"]
    names = {name: WAYS[way] for way, name in MODELS.items()}
    rows = [
        {
            "model": f"{names.get(one['name'], one['name'])}, version {one['version']}",
            **{title: one["metrics"].get(key) for key, title in SCORES.items()},
        }
        for one in (model, *summary["other_models"])
    ]
    held_out = model["held_out"]
    text = (
        f"Scores on {held_out['rows']['test']:,} sales after {held_out['train_until']}, by models "
        f"that had learned from the {held_out['rows']['train']:,} before; what answers here has "
        f"learned from all {model['rows']:,} up to {model['trained_until']}. Prices in {currency}."
    )
    return [report.table(pd.DataFrame(rows), decimals=1), report.paragraph(text)]


def _market(rows: list[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return [report.paragraph("There is no index of prices yet.")]
    table = pd.DataFrame(rows)[["month", "index", "sales"]].iloc[::-1]
    table["index"] = (100 * table["index"]).round(1)
    said = "The model's index of prices per m² of a typical flat, the newest month being 100."
    return [
        report.paragraph(said),
        f'<div class="tall">{report.table(table.reset_index(drop=True), decimals=1)}</div>',
    ]


def _drift(rows: list[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return [report.paragraph("There are too few new sales to compare.")]
    columns = ["feature", "psi", "missing_reference", "missing_current", "status"]
    found = pd.DataFrame(rows, columns=columns)
    marks = {"stable": "good", "watch": "warn", "act": "bad"}
    said = "The newest sales compared with those learned from: population stability index."
    return [report.paragraph(said), report.table(found, marks, decimals=2)]


def _sources(sources: Mapping[str, Any], credits: list[str]) -> list[str]:
    """Say what the newest feature run read, and whose data it is."""
    owed = [f'<p class="soft">{escape(sentence)}</p>' for sentence in credits]
    if not sources:
        return [report.paragraph("No feature run has told what it read yet."), *owed]
    read, left_out, newest = (sources[name] for name in ("read", "left_out", "newest_sale"))
    said = f"{read:,} rows were read and {left_out:,} left out; the newest sale is of {newest}."
    problems = pd.DataFrame(sources["problems"], columns=["reason", "n"])
    problems = problems.rename(columns={"reason": "what was wrong", "n": "values"})
    return [report.paragraph(said), report.table(problems) if len(problems) else "", *owed]


def _percent(score: float | None) -> str:
    return "–" if score is None else f"{score:.1f} %"


if __name__ == "__main__":
    ui.launch(build)
