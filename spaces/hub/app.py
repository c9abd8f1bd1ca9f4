"""All apps at one address, a page each: `PYTHONPATH=. python spaces/hub/app.py`.

The front page reads the published `monitor.json` or `forecast.json` of each use case, and each page
what its app reads. The apps lie beside this folder, in an assembled Space in `apps/`.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from html import escape
from pathlib import Path
from types import ModuleType
from typing import Any

import gradio as gr

from fti import monitor_app, report, ui
from fti.errors import UserError

HERE = Path(__file__).resolve().parent
TITLE = "Serverless machine learning"
INTRODUCTION = (
    "Machine learning that runs by itself: every day a feature pipeline reads new data, a training "
    "pipeline makes a new model when one is due, and a batch inference pipeline predicts and "
    "publishes. These pages show what they left."
)


@dataclass(frozen=True)
class Page:
    """An app of the hub: its folder, its title, whose results it reads, what a visitor does."""

    name: str
    title: str
    use_case: str
    text: str

    @property
    def path(self) -> str:
        """Where the page is, after the hub's own address."""
        return self.name.replace("_", "-")


PAGES = (
    Page("titanic", "Titanic", "titanic", "Describe a passenger: would they have been saved?"),
    Page(
        "titanic_monitor",
        "Titanic monitor",
        "titanic",
        "How often the model was right, about whom, and whether its passengers still look like "
        "those it learned from.",
    ),
    Page("iris", "Iris", "iris", "Measure a flower: which of three varieties is it?"),
    Page(
        "iris_monitor",
        "Iris monitor",
        "iris",
        "Which varieties the model takes for one another, and whether it is as sure as it should "
        "be.",
    ),
    Page(
        "aurora",
        "Aurora",
        "aurora",
        "Tonight and the next 72 hours over Kiruna: is it worth going out?",
    ),
    Page("housing", "Housing", "housing", "What is this flat worth, how sure is that, and why?"),
    Page(
        "whisper",
        "Whisper",
        "whisper",
        "Speak, send a file or paste an address: read it, in English too, with subtitles.",
    ),
    Page(
        "guess_the_transcription",
        "Guess the transcription",
        "whisper",
        "A game for two: hear half of a sentence and say how it goes on.",
    ),
)
USE_CASES = tuple(dict.fromkeys(page.use_case for page in PAGES))


@dataclass(frozen=True)
class Headline:
    """What a card tells of a use case: a published file, a metric in it, its name and form."""

    file: str = "monitor.json"
    metric: str = "accuracy"
    name: str = "accuracy"
    form: str = "{:.3f}"

    def score(self, model: Mapping[str, Any]) -> str:
        """Give the metric of a model as people read it."""
        value = model.get("metrics", model)[self.metric]
        return f"{self.name} {'unknown' if value is None else self.form.format(value)}"


HEADLINES = dict.fromkeys(USE_CASES, Headline()) | {
    "aurora": Headline("forecast.json", "auc", "AUC"),
    "housing": Headline(metric="mape", name="MAPE", form="{:.1f} %"),
    "whisper": Headline("transcripts.json", "error_rate", "errors", "{:.1%}"),
}


def build(project: Any | None = None, *, api_prefix: str = "") -> gr.Blocks:
    """Give the apps as pages of one; their endpoints are called `<app>_<endpoint>`."""
    reader = ui.Reader(project)
    # An app built inside its route would be drawn twice, the first time empty.
    apps = {
        page: load(page.name).build(project, api_prefix=f"{api_prefix}{page.name}_")
        for page in PAGES
    }
    with ui.blocks(TITLE) as demo:
        _navigation()
        ui.html(ui.panel(f"<h1>{TITLE}</h1>", report.paragraph(INTRODUCTION)))
        cards = ui.html(ui.panel(draw(dict.fromkeys(USE_CASES, ""))))
        gr.on(
            [demo.load, gr.Timer(ui.TTL).tick],
            partial(look, reader),
            None,
            cards,
            show_progress="hidden",
            api_visibility="private",
        )
        ui.health(reader, "hub", USE_CASES, api_prefix)
    for page, app in apps.items():
        with demo.route(page.title, page.path):
            _navigation()
            app.render()
    return demo


def _navigation() -> None:
    """Name the front page in the links above a page."""
    gr.Navbar(main_page_name="Overview")


def load(name: str) -> ModuleType:
    """Give the module of an app, which no package holds, from its file."""
    bundled = HERE / "apps"
    folder = bundled if bundled.is_dir() else HERE.parent
    module_name = f"app_{name}"
    if module_name not in sys.modules:
        spec = importlib.util.spec_from_file_location(module_name, folder / name / "app.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module  # where its dataclasses look for their annotations
        spec.loader.exec_module(module)
    return sys.modules[module_name]


def look(reader: ui.Reader) -> str:
    """Give the cards with what is known of each use case now, as HTML."""
    now = datetime.now(UTC)
    return ui.panel(draw({use_case: state(reader, use_case, now) for use_case in USE_CASES}))


def state(reader: ui.Reader, use_case: str, now: datetime) -> str:
    """Say as HTML which model serves a use case, how good it is and how new its results are."""
    headline = HEADLINES[use_case]
    try:
        published = reader.published(use_case, headline.file)
    except UserError as error:
        return ui.notice(error)
    model = published["model"]
    said = report.paragraph(f"Model version {model['version']}, {headline.score(model)}.")
    if "freshness" not in published:  # it runs when there is something to write down
        return said + report.paragraph(f"Newest run: {published['run_date']}.")
    return said + monitor_app.freshness(published["freshness"], now)


def draw(states: Mapping[str, str]) -> str:
    """Draw a card for each use case: its pages, and below them its state (HTML)."""
    cards = []
    for use_case, state in states.items():
        links = [_link(page) for page in PAGES if page.use_case == use_case]
        cards.append(
            '<div class="tile" style="flex: 1 1 20rem"><h2 style="margin-top: .4rem">'
            f"{escape(use_case.capitalize())}</h2>{''.join(links)}{state}</div>"
        )
    return f'<div class="tiles">{"".join(cards)}</div>'


def _link(page: Page) -> str:
    link = f'<a href="{escape(page.path)}" style="color: var(--accent)">{escape(page.title)}</a>'
    return f"<p>{link}<br>{escape(page.text)}</p>"


if __name__ == "__main__":
    ui.launch(build, max_file_size="100mb")  # for videos
