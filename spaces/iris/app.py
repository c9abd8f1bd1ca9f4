"""Name an iris from four measurements: `PYTHONPATH=. python spaces/iris/app.py`.

Reads the model `iris` of the project, and the flowers that travel beside it. Keeps nothing: the
numbers live in the page and in the link to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache, partial
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
import numpy as np
import pandas as pd

from fti import linear, report, training, ui
from fti.errors import UserError
from fti.models import ModelFiles
from iris.features import LIMITS, MEASUREMENTS, TASK, flower
from iris.monitor import SHOWN
from iris.pictures import flower_svg, known_flowers_svg

# Medians of the known flowers of each variety, and a flower that could be one or the other
EXAMPLES = {
    "typical setosa": (5.0, 3.4, 1.5, 0.2),
    "typical versicolor": (5.9, 2.8, 4.4, 1.3),
    "typical virginica": (6.5, 3.0, 5.6, 2.0),
    "hard to tell": (6.0, 2.8, 4.9, 1.7),
}
START = EXAMPLES["typical versicolor"]
NUMBER = re.compile(r"[0-9]{1,2}(\.[0-9]{1,6})?")  # in a link
ALMOST = 0.9999  # no probability of the model is 1: that is rounding
SAME = 1e-6  # standard deviations
NO_BREAK = "\N{NO-BREAK SPACE}"
# The link is made in the browser, which alone knows the address that its page is seen at
LINK = f"""(...numbers) => location.origin + location.pathname + '?' + new URLSearchParams(
  {MEASUREMENTS}.map((name, k) => [name, Number(numbers[k].toFixed(6))]))"""
QUIET = {"show_progress": "hidden", "api_visibility": "private"}  # of what happens on the page

INTRODUCTION = (
    "Set what you measured of an iris. Its flower is drawn to scale, and a model says which of "
    "three varieties it may be. Nothing you set is kept."
)
SCORES = {"accuracy": "accuracy", "log_loss": "log-loss", "brier": "Brier"}


def build(project: Any | None = None, *, api_prefix: str = "") -> gr.Blocks:
    """Give the app; `project` None is the one that `fti.login()` gives when it is first needed."""
    reader = ui.Reader(project)
    with ui.blocks("Iris") as demo:
        introduction = ui.html(introduce())
        with gr.Row():
            with gr.Column(scale=2, min_width=280):
                sliders = [_slider(*one) for one in zip(MEASUREMENTS, START, strict=True)]
                _examples(sliders)
            with gr.Column(scale=3, min_width=320):
                waiting = ui.notice("The model is being fetched.", "loading")
                answer = ui.html(ui.panel(columns(waiting, draw(measured(START)))))
                link = gr.Textbox(
                    label="Link to this flower", buttons=["copy"], elem_id="iris_link"
                )
        among, about = ui.html(), ui.html()
        timer = gr.Timer(ui.TTL)
        changes = [demo.load, *(slider.change for slider in sliders)]
        demo.load(from_link, None, [*sliders, introduction], **QUIET)
        gr.on(changes, None, sliders, link, js=LINK, api_visibility="private")
        gr.on(
            [*changes, timer.tick],
            partial(show, reader),
            sliders,
            [answer, among],
            trigger_mode="always_last",
            concurrency_limit=ui.CONCURRENT,
            **QUIET,
        )
        gr.on([demo.load, timer.tick], partial(show_model, reader), None, about, **QUIET)
        _endpoint(reader, api_prefix)
        ui.health(reader, "iris", [TASK.use_case], api_prefix)
    return demo


def _slider(column: str, value: float) -> gr.Slider:
    low, high = LIMITS[column]
    label = f"{column.replace('_', ' ').capitalize()} (cm)"
    return gr.Slider(low, high, value, step=0.1, label=label, elem_id=f"iris_{column}")


def _examples(sliders: list[gr.Slider]) -> None:
    gr.Examples(
        [list(numbers) for numbers in EXAMPLES.values()],
        sliders,
        example_labels=list(EXAMPLES),
        cache_examples=False,
        api_visibility="private",
    )


def _endpoint(reader: ui.Reader, api_prefix: str) -> None:
    def predict(
        sepal_length: float, sepal_width: float, petal_length: float, petal_width: float
    ) -> dict:
        """Give the probabilities of the three varieties for a flower measured in cm.

        `known_distance` says how far the nearest known flower is, in standard deviations within a
        variety, and `unlike_known` whether that is further than any known flower is from the next.
        """
        try:
            values = checked((sepal_length, sepal_width, petal_length, petal_width))
            return classify(reader.model(TASK.use_case), values)
        except UserError as error:
            raise gr.Error(str(error), print_exception=False) from error

    ui.endpoint(predict, "predict", api_prefix)


# What comes in


def measured(numbers: Iterable[Any]) -> dict[str, Any]:
    """Give what was measured by column."""
    return dict(zip(MEASUREMENTS, numbers, strict=True))


def checked(numbers: Iterable[Any]) -> dict[str, float]:
    """Give measurements (cm) by column; UserError for what is no number within its limits."""
    values = measured(numbers)
    for column, value in values.items():
        low, high = LIMITS[column]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (is_number and low <= value <= high):
            raise UserError(f"{column} must be a number from {low} to {high} (cm).")
    return values


def from_link(request: gr.Request) -> list[Any]:
    """Give the sliders the flower of the page's address, and say above them if it names none."""
    try:
        return [*read_link(request.query_params), introduce()]
    except UserError as error:
        said = f"The link names no flower, so a typical one is shown. {error}"
        return [*START, introduce(ui.notice(said, "info"))]


def read_link(query: Mapping[str, str]) -> tuple[float, ...]:
    """Give the measurements in a link's query; those that it leaves out are the ones of START.

    UserError when one is no plain number or lies outside of its limits.
    """
    texts = {column: query[column] for column in MEASUREMENTS if column in query}
    named = {c: float(text) if NUMBER.fullmatch(text) else text for c, text in texts.items()}
    return tuple(checked((measured(START) | named).values()).values())


# The answer


class Known(NamedTuple):
    """Flowers with their variety, and a measure of how far another one is from them.

    Distances are Mahalanobis distances with the covariance within the varieties: 1 is about one
    standard deviation of a variety, whichever measurement differs. `spacing` is the largest
    distance of a known flower to the nearest other one; a flower further than that from all known
    ones is unlike any of them, and what a model says about it is a guess.
    """

    flowers: pd.DataFrame  # MEASUREMENTS (cm) and their variety
    precision: np.ndarray  # the inverse of the covariance
    spacing: float

    @classmethod
    def of(cls, flowers: pd.DataFrame) -> Known:
        """Learn the measure from the flowers themselves."""
        X = flowers[MEASUREMENTS]
        within = (X - X.groupby(flowers[TASK.label]).transform("mean")).to_numpy()
        freedom = max(len(X) - flowers[TASK.label].nunique(), 1)
        precision = np.linalg.pinv(within.T @ within / freedom, hermitian=True)
        distances = _distances(X.to_numpy()[:, None] - X.to_numpy(), precision)
        np.fill_diagonal(distances, np.inf)
        return cls(flowers, precision, float(distances.min(axis=1).max()))

    def nearest(self, values: Mapping[str, float]) -> tuple[pd.Series, float]:
        """Give the known flower nearest to the measurements, and its distance."""
        wanted = np.array([values[column] for column in MEASUREMENTS])
        distances = _distances(self.flowers[MEASUREMENTS].to_numpy() - wanted, self.precision)
        place = int(distances.argmin())
        return self.flowers.iloc[place], float(distances[place])


def _distances(differences: np.ndarray, precision: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("...i,ij,...j->...", differences, precision, differences))


@lru_cache(maxsize=2)
def known_flowers(folder: Path) -> Known:
    """Read the flowers that travel with a model."""
    return Known.of(training.read_reference(folder))


@lru_cache(maxsize=2)
def scorer(folder: Path) -> linear.Linear:
    """Read a model."""
    return linear.load(folder)


def classify(model: ModelFiles, values: Mapping[str, float]) -> dict[str, Any]:
    """Give what the endpoint `predict` gives, for measurements in cm."""
    scores = scorer(model.folder)
    shares = scores.predict_proba(flower(**values))[0].tolist()
    probabilities = dict(zip(scores.labels, shares, strict=True))
    known = known_flowers(model.folder)
    _, distance = known.nearest(values)
    return {
        "variety": max(probabilities, key=probabilities.get),
        "probabilities": probabilities,
        "model_version": model.version,
        "known_distance": distance,
        "unlike_known": distance > known.spacing,
    }


# The page


def show(reader: ui.Reader, *numbers: float) -> tuple[str, str]:
    """Give the answer for a flower, and where it lies among the known ones, as HTML."""
    try:
        values = checked(numbers)
    except UserError as error:
        return ui.panel(ui.notice(error)), ""
    try:
        model = reader.model(TASK.use_case)
    except UserError as error:
        return ui.panel(columns(ui.notice(error), draw(values))), ""
    found, known = classify(model, values), known_flowers(model.folder)
    return ui.panel(_answer(values, found, known)), ui.panel(_among(values, known))


def introduce(notice: str = "") -> str:
    """Give the head of the page."""
    return ui.panel("<h1>Iris: which variety?</h1>", report.paragraph(INTRODUCTION), notice)


def draw(values: Mapping[str, float], variety: str | None = None) -> str:
    """Draw the flower."""
    return f"<figure>{flower_svg(**values, variety=variety)}</figure>"


def columns(left: str, right: str) -> str:
    """Give two parts side by side, also where there is little room."""
    return f'<div class="columns"><div>{left}</div>{right}</div>'


def _answer(values: Mapping[str, float], found: Mapping[str, Any], known: Known) -> str:
    variety = found["variety"]
    shares = {name: min(share, ALMOST) for name, share in found["probabilities"].items()}
    said = [
        f'<h2 style="margin-top: 0"><i>Iris {escape(variety)}</i>, '
        f"{escape(ui.percent(shares[variety]))}</h2>",
        ui.bars(shares, chosen=variety),
        report.paragraph(_nearest(values, known)),
        ui.notice(_unlike(known), "info") if found["unlike_known"] else "",
        f'<p class="soft">Answered by model version {found["model_version"]}.</p>',
    ]
    return columns("".join(said), draw(values, variety))


def _nearest(values: Mapping[str, float], known: Known) -> str:
    nearest, distance = known.nearest(values)
    sepals, petals = (
        f"{nearest[f'{part}_length']:g} × {nearest[f'{part}_width']:g} cm".replace(" ", NO_BREAK)
        for part in ("sepal", "petal")
    )
    away = f"{distance:.1f} standard deviations away" if distance > SAME else "just like this one"
    return f"Nearest known flower: {nearest[TASK.label]}, sepals {sepals}, petals {petals}, {away}."


def _unlike(known: Known) -> str:
    return (
        "Unlike any known flower: none of them is more than "
        f"{known.spacing:.1f} standard deviations from the next. The model has never seen the like "
        "of this one, however sure it sounds."
    )


def _among(values: Mapping[str, float], known: Known) -> str:
    planes = [_plane(values, known, part) for part in ("petal", "sepal")]
    return report.section("Among the known flowers", report.beside(*planes))


def _plane(values: Mapping[str, float], known: Known, part: str) -> str:
    across, up = both = [f"{part}_length", f"{part}_width"]
    svg = known_flowers_svg(
        known.flowers[[*both, TASK.label]].itertuples(index=False, name=None),
        (values[across], values[up]),
        (f"{part} length", f"{part} width"),
        room=zip(LIMITS[across], LIMITS[up], strict=True),
    )
    return f"<figure>{svg}</figure>"


def show_model(reader: ui.Reader) -> str:
    """Say as HTML which model answers and how good it is; nothing while there is none."""
    try:
        model = reader.model(TASK.use_case)
    except UserError:
        return ""
    record = training.read_record(model.folder)
    table = pd.DataFrame(
        [
            {"model": name, **{title: scores[key] for key, title in SCORES.items()}}
            for name, scores in _compared(model, record).items()
        ]
    )
    return ui.panel(
        report.section("The model", report.paragraph(_lineage(model, record)), report.table(table))
    )


def _compared(model: ModelFiles, record: Mapping[str, Any]) -> dict[str, Mapping[str, float]]:
    others = {SHOWN.models.get(name, name): scores for name, scores in record["baselines"].items()}
    return {"this model": model.metrics, **others}


def _lineage(model: ModelFiles, record: Mapping[str, Any]) -> str:
    return (
        f"Version {model.version} ({record['model'].replace('_', ' ')}), trained on "
        f"{record['rows']} flowers on {record['date']}. Scores are means of 5-fold "
        f"cross-validation, repeated {record['repeats']} times for this model and once for the "
        "others."
    )


if __name__ == "__main__":
    ui.launch(build)
