"""Ask who would have survived the Titanic: `python spaces/titanic/app.py`, in the root of the repo.

Reads the model `titanic` of the project, and the passengers that travel beside it. Keeps nothing:
who is asked about lives in the page and in the link to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import gradio as gr
import pandas as pd

from fti import report, training, ui
from fti.errors import UserError
from fti.models import ModelFiles
from titanic import scoring
from titanic.features import CHILD_AGE, TASK, TITLES, UNKNOWN, build_features, person
from titanic.monitor import SHOWN
from titanic.pictures import outcome_svg, passenger_svg

NUMBER = re.compile(r"[0-9]{1,3}(\.[0-9]{1,4})?")  # as text, in a link
AUTOMATIC = "auto"  # the title that sex, age and family suggest
QUIET = {"show_progress": "hidden", "api_visibility": "private"}  # of what happens on the page
ABSOLUTE = "(link) => link && new URL(link, location.href).href"

INTRODUCTION = (
    "Describe a passenger of 1912. A model that learned from those aboard says how likely they "
    "were to be saved, and what that hangs on. Nothing you enter is kept."
)
CAPTION = "probability to be saved"
LIMITS = (
    "It learned from {rows} passengers and from none of the crew. It says how "
    "people like this one fared, not why; where few were alike, as nobles or families of eight, "
    "it leans on little."
)
SCORES = {"accuracy": "accuracy", "auc": "AUC", "log_loss": "log-loss", "brier": "Brier score"}
CLASSES = {1: "first", 2: "second", 3: "third"}
PORTS = {"S": "Southampton", "C": "Cherbourg", "Q": "Queenstown", UNKNOWN: "not known"}
MALE_TITLES, FEMALE_TITLES = ("Mr", "Master"), ("Mrs", "Miss")


# Who is asked about


class Choice(NamedTuple):
    """A field with a few values: word in a link -> value."""

    words: Mapping[str, Any]

    @property
    def rule(self) -> str:
        """What it may be."""
        return f"one of {', '.join(self.words)}"

    def read(self, given: Any) -> Any:
        """Give the value for a word or the value itself; ValueError for anything else."""
        for word, value in self.words.items():
            if given == word or (given == value and type(given) is type(value)):
                return value
        raise ValueError(given)

    def word(self, value: Any) -> str:
        """Give the word that `read` takes for a value."""
        return next(word for word, meant in self.words.items() if meant == value)


class Range(NamedTuple):
    """A field that is a number from 0 to `high`, or None where it may be unknown."""

    high: int
    unit: str
    whole: bool = False

    @property
    def rule(self) -> str:
        """What it may be."""
        if self.whole:
            return f"a whole number from 0 to {self.high} ({self.unit})"
        return f"a number from 0 to {self.high} ({self.unit}), or {UNKNOWN}"

    def read(self, given: Any) -> float | None:
        """Give the number, also of its text; ValueError for anything else."""
        if not self.whole and (given is None or given == UNKNOWN):
            return None
        if isinstance(given, str) and NUMBER.fullmatch(given):
            given = float(given)
        is_number = isinstance(given, int | float) and not isinstance(given, bool)
        if not is_number or not 0 <= given <= self.high or (self.whole and given % 1):
            raise ValueError(given)
        return int(given) if self.whole else float(given)

    def word(self, value: float | None) -> str:
        """Give the text that `read` takes for a number."""
        return UNKNOWN if value is None else f"{value:.4f}".rstrip("0").rstrip(".")


# As far as those reach whom the model knows: the oldest was 80, the dearest ticket cost 512 pounds
FIELDS: dict[str, Choice | Range] = {
    "sex": Choice({"female": "female", "male": "male"}),
    "pclass": Choice({"1": 1, "2": 2, "3": 3}),
    "age": Range(80, "years"),
    "sibsp": Range(8, "siblings and spouses aboard", whole=True),
    "parch": Range(6, "parents and children aboard", whole=True),
    "fare": Range(520, "pounds"),
    "embarked": Choice({"S": "S", "C": "C", "Q": "Q", UNKNOWN: None}),
    "cabin": Choice({"no": False, "yes": True}),
    "title": Choice({AUTOMATIC: None, **{title: title for title in TITLES}}),
}


@dataclass(frozen=True, kw_only=True)
class Passenger:
    """Somebody to ask about; None is not known, and of `title` the usual one."""

    sex: str
    pclass: int
    age: float | None = None  # years
    sibsp: int = 0
    parch: int = 0
    fare: float | None = None  # pounds, for everyone on the ticket
    embarked: str | None = None
    cabin: bool = False  # whether a cabin is known
    title: str | None = None


INPUTS = (*FIELDS, "age_unknown")  # what the page asks for
START = Passenger(sex="female", pclass=3, age=22, fare=7.75, embarked="Q")
EXAMPLES = {
    "A young woman alone, third class": START,
    "A lady in first class": Passenger(
        sex="female", pclass=1, age=38, sibsp=1, fare=80, embarked="C", cabin=True, title="Mrs"
    ),
    "A labourer, third class": Passenger(sex="male", pclass=3, age=24, fare=8, embarked="S"),
    "A boy with his family, second class": Passenger(
        sex="male", pclass=2, age=4, sibsp=1, parch=2, fare=30, embarked="S", title="Master"
    ),
    "A girl of a large family, third class": Passenger(
        sex="female", pclass=3, age=9, sibsp=4, parch=2, fare=31, embarked="S", title="Miss"
    ),
    "A clergyman, second class": Passenger(
        sex="male", pclass=2, age=51, fare=13, embarked="S", title="officer"
    ),
    "A gentleman of unknown age, first class": Passenger(
        sex="male", pclass=1, fare=52, embarked="S", cabin=True
    ),
}


def checked(given: Mapping[str, Any]) -> Passenger:
    """Give a passenger; UserError, naming the field and what it may be, if there is none such."""
    values = {}
    for name, field in FIELDS.items():
        try:
            values[name] = field.read(given[name])
        except ValueError as error:
            raise UserError(f"{name} must be {field.rule}.") from error
    passenger = Passenger(**values)
    check_title(passenger)
    return passenger


def check_title(passenger: Passenger) -> None:
    """Raise UserError when the title does not go with sex or age."""
    title, age = passenger.title, passenger.age
    other = {"female": MALE_TITLES, "male": FEMALE_TITLES}[passenger.sex]
    if title in other:
        raise UserError(f"title {title} does not go with sex {passenger.sex}: change one of them.")
    if title == "Master" and age is not None and age >= CHILD_AGE:
        raise UserError(f"title Master was said of boys under {CHILD_AGE}: change it or the age.")


def link(passenger: Passenger) -> str:
    """Give the address of a passenger, relative to the page."""
    words = {name: field.word(getattr(passenger, name)) for name, field in FIELDS.items()}
    return "?" + urlencode(words)


def read_link(query: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Give the values that a link's query names, by field, and the fields it misuses."""
    values, misused = {}, []
    for name, field in FIELDS.items():
        try:
            values |= {name: field.read(query[name])} if name in query else {}
        except ValueError:
            misused.append(name)
    return values, misused


# The answer


class Known(NamedTuple):
    """A model, and the passengers whose average it compares others with."""

    scorer: scoring.Scorer
    people: pd.DataFrame


@lru_cache(maxsize=2)
def known(folder: Path, version: int) -> Known:
    """Read a version of the model."""
    scorer = scoring.load_scorer(folder)
    return Known(scorer, scoring.reference_people(scorer, training.read_reference(folder)))


def features_of(passenger: Passenger) -> pd.DataFrame:
    """Give the feature table of one passenger; the family counts as those on the ticket."""
    return build_features(person(**vars(passenger)), ticket_sizes={})


def predict(model: ModelFiles, features: pd.DataFrame) -> dict[str, Any]:
    """Give what the endpoint `predict` gives, for the features of one passenger."""
    scorer, people = known(model.folder, model.version)
    found = scoring.contributions(scorer, features, people)
    return {
        "probability": found["probability"],
        "survives": found["probability"] >= 0.5,
        "model_version": model.version,
        "base": found["base"],
        "contributions": found["changes"],
    }


# The page


def build(project: Any | None = None, *, api_prefix: str = "") -> gr.Blocks:
    """Give the app; `project` None is the one that `fti.login()` gives when it is first needed."""
    reader = ui.Reader(project)
    with ui.blocks("Titanic") as demo:
        introduction = ui.html(introduce())
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                inputs = _inputs()
                _examples(inputs)
            with gr.Column(scale=3, min_width=320):
                waiting = ui.notice("The model is being fetched.", "loading")
                answer = ui.html(ui.panel(report.beside(draw(START), waiting)))
                address = gr.Textbox(
                    label="Link to this passenger",
                    buttons=["copy"],
                    interactive=False,
                    elem_id="titanic_link",
                )
                relative = gr.Textbox(visible="hidden")
        about = ui.html()
        timer = gr.Timer(ui.TTL)
        demo.load(from_link, None, [*inputs, introduction], **QUIET)
        gr.on(
            [demo.load, timer.tick, *(one.change for one in inputs)],
            partial(show, reader),
            inputs,
            [answer, relative],
            trigger_mode="always_last",
            concurrency_limit=ui.CONCURRENT,
            **QUIET,
        )
        # Only the browser knows the address that its page is seen at.
        relative.change(None, relative, address, js=ABSOLUTE, api_visibility="private")
        gr.on([demo.load, timer.tick], partial(show_model, reader), None, about, **QUIET)
        _endpoint(reader, api_prefix)
        ui.health(reader, "titanic", [TASK.use_case], api_prefix)
    return demo


def _inputs() -> list[gr.components.Component]:
    """Give the components that ask for a passenger, in the order of `in_inputs`."""
    values = dict(zip(INPUTS, in_inputs(START), strict=True))
    classes = [(name, number) for number, name in CLASSES.items()]
    titles = [("from sex and age", AUTOMATIC), *((title, title) for title in TITLES)]
    ports = [(name, port) for port, name in PORTS.items()]
    sex = gr.Radio(["female", "male"], value=values["sex"], label="Sex")
    pclass = gr.Radio(classes, value=values["pclass"], label="Class")
    age = _slider("age", "Age (years)", values)
    age_unknown = gr.Checkbox(values["age_unknown"], label="Age not known")
    age_unknown.change(_lock, age_unknown, age, **QUIET)
    with gr.Row():
        sibsp = _slider("sibsp", "Siblings and spouses aboard", values)
        parch = _slider("parch", "Parents and children aboard", values)
    with gr.Row():
        said = "Of the ticket; not known if empty"
        fare = gr.Number(values["fare"], label="Fare (pounds)", info=said, min_width=120)
        title = gr.Dropdown(
            titles, value=values["title"], label="Title", info="Officer: also doctor, minister"
        )
    embarked = gr.Radio(ports, value=values["embarked"], label="Went aboard at")
    cabin = gr.Checkbox(values["cabin"], label="The cabin is known")
    return [sex, pclass, age, sibsp, parch, fare, embarked, cabin, title, age_unknown]


def _slider(name: str, label: str, values: Mapping[str, Any]) -> gr.Slider:
    return gr.Slider(
        0,
        FIELDS[name].high,
        values[name],
        step=1,
        label=label,
        min_width=200,
        elem_id=f"titanic_{name}",
    )


def _lock(unknown: bool) -> gr.Slider:
    return gr.Slider(interactive=not unknown)


def _examples(inputs: list[gr.components.Component]) -> None:
    gr.Examples(
        [in_inputs(passenger) for passenger in EXAMPLES.values()],
        inputs,
        example_labels=list(EXAMPLES),
        cache_examples=False,
        api_visibility="private",
    )


def _endpoint(reader: ui.Reader, api_prefix: str) -> None:
    def ask(
        sex: str,
        pclass: int,
        age: float | None = None,
        sibsp: int = 0,
        parch: int = 0,
        fare: float | None = None,
        embarked: str | None = None,
        cabin: bool = False,
        title: str | None = None,
    ) -> dict:
        """Give the probability that a passenger survives, and what moved it from the average.

        `contributions` add up to the difference between `probability` and `base`, the mean of the
        passengers compared with. `age` is in years, `fare` in pounds for the whole ticket;
        `embarked` is S, C or Q. What is left out is not known; the title follows from the rest.
        """
        given = (sex, pclass, age, sibsp, parch, fare, embarked, cabin, title)
        try:
            passenger = checked(dict(zip(FIELDS, given, strict=True)))
            return predict(reader.model(TASK.use_case), features_of(passenger))
        except UserError as error:
            raise gr.Error(str(error), print_exception=False) from error

    ui.endpoint(ask, "predict", api_prefix)


def in_inputs(passenger: Passenger) -> list[Any]:
    """Give what the components show for a passenger."""
    shown = vars(passenger) | {
        "age": START.age if passenger.age is None else passenger.age,
        "age_unknown": passenger.age is None,
        "embarked": passenger.embarked or UNKNOWN,
        "title": passenger.title or AUTOMATIC,
    }
    return [shown[name] for name in INPUTS]


def out_of_inputs(*shown: Any) -> Passenger:
    """Give the passenger that the components show; UserError as `checked`."""
    values = dict(zip(INPUTS, shown, strict=True))
    return checked(values | ({"age": None} if values["age_unknown"] else {}))


def from_link(request: gr.Request) -> list[Any]:
    """Fill the inputs with the passenger of the page's address; say above what it misuses.

    What an address leaves out is not known, as in the endpoint; one that names nobody gives START.
    """
    values, misused = read_link(request.query_params)
    if not values and not misused:
        return [gr.skip()] * (len(INPUTS) + 1)
    said = ""
    if misused:
        rules = "; ".join(f"{name} must be {FIELDS[name].rule}" for name in misused)
        said = ui.notice(f"Part of the link was left out, since {rules}.", "info")
    unnamed = {"sex": START.sex, "pclass": START.pclass} if values else vars(START)
    return [*in_inputs(Passenger(**(unnamed | values))), introduce(said)]


def show(reader: ui.Reader, *shown: Any) -> tuple[str, str]:
    """Give the answer for what the components show, as HTML, and the link to it."""
    try:
        passenger = out_of_inputs(*shown)
    except UserError as error:
        return ui.panel(ui.notice(error)), ""
    try:
        model = reader.model(TASK.use_case)
    except UserError as error:
        return ui.panel(report.beside(draw(passenger), ui.notice(error))), link(passenger)
    features = features_of(passenger)
    names = said_of(passenger, features["title"].iloc[0])
    return ui.panel(*_answer(passenger, predict(model, features), names)), link(passenger)


def introduce(notice: str = "") -> str:
    """Give the head of the page."""
    return ui.panel("<h1>Titanic: who was saved?</h1>", report.paragraph(INTRODUCTION), notice)


def draw(passenger: Passenger) -> str:
    """Draw a passenger."""
    svg = passenger_svg(passenger.sex, passenger.age, passenger.pclass, passenger.title or "")
    return _drawing(svg)


def _drawing(svg: str) -> str:
    style = "max-width: 17rem; margin: 0 auto; overflow: hidden; border-radius: .6rem"
    return f'<div style="{style}">{svg}</div>'


def _answer(passenger: Passenger, found: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    probability = found["probability"]
    who = f'{draw(passenger)}<h2 style="text-align: center">{verdict(probability)}</h2>'
    outcome = _drawing(outcome_svg(found["survives"]))
    moved = sorted(found["contributions"].items(), key=lambda change: -abs(change[1]))
    return [
        report.beside(f"<div>{who}</div>", f"<div>{ui.gauge(probability, CAPTION)}{outcome}</div>"),
        report.section(
            "What moved it",
            report.paragraph(
                f"From {ui.percent(found['base'])}, the average of the passengers compared with, "
                f"to {ui.percent(probability)}:"
            ),
            ui.changes({names[name]: change for name, change in moved}),
        ),
    ]


def verdict(probability: float) -> str:
    """Say a probability in words."""
    likely = max(probability, 1 - probability)
    fate = "saved" if probability >= 0.5 else "lost"
    if likely < 0.6:
        return f"Hard to tell, rather {fate}."
    return f"{'Probably' if likely < 0.85 else 'Very probably'} {fate}."


def said_of(passenger: Passenger, title: str) -> dict[str, str]:
    """Say in words what each input of `scoring.INPUTS` is for a passenger, by their names there."""
    size = 1 + passenger.sibsp + passenger.parch
    return {
        "sex": f"{passenger.sex}, {title}",
        "pclass": f"{CLASSES[passenger.pclass]} class",
        "age": "age not known" if passenger.age is None else f"age {passenger.age:g}",
        "family": "alone" if size == 1 else f"family of {size} aboard",
        "fare": "fare not known" if passenger.fare is None else f"fare £{passenger.fare:g}",
        "embarked": f"from {PORTS[passenger.embarked]}" if passenger.embarked else "port not known",
        "cabin": "cabin known" if passenger.cabin else "cabin not known",
    }


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
            for name, scores in _compared(model, record["baselines"]).items()
        ]
    )
    lineage, limits = _lineage(model, record), LIMITS.format(rows=record["rows"])
    parts = report.paragraph(lineage), report.table(table), report.paragraph(limits)
    return ui.panel(report.section("The model", *parts))


def _compared(model: ModelFiles, baselines: Mapping[str, Any]) -> dict[str, Mapping[str, float]]:
    """Give the scores of the model, of the best one it grew out of, and of always guessing."""
    seeds = {name: scores for name, scores in baselines.items() if name != "majority"}
    best = min(seeds, key=lambda name: seeds[name]["log_loss"])
    return {
        "this model": model.metrics,
        f"best student project ({SHOWN.models[best]})": seeds[best],
        SHOWN.models["majority"]: baselines["majority"],
    }


def _lineage(model: ModelFiles, record: Mapping[str, Any]) -> str:
    return (
        f"Version {model.version} ({record['model'].replace('_', ' ')}), trained on "
        f"{record['rows']} passengers on {record['date']}. Scores are means of 5-fold "
        f"cross-validation, repeated {record['repeats']} times for this model and once for the "
        "others."
    )


if __name__ == "__main__":
    ui.launch(build)
