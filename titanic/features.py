"""Turn a raw table of passengers into the feature table, and say what a good one looks like.

Pure functions. Training, batch inference and the apps all call `build_features`, so feature code
exists once; `person` makes the raw row of someone typed into an app. Nothing here is fitted and
nothing reads `survived`: unknown ages and fares stay NaN and unknown words stay "unknown" until
the model imputes them, inside each fold.
"""

import re
from collections.abc import Mapping

import pandas as pd

from fti.classification import Task

TASK = Task(
    use_case="titanic",
    entity="passenger",
    entities="passengers",
    label="survived",
    outcomes={0: "died", 1: "survived"},
    recipe="survival-2",
)
# When the table of 891 passengers was published for a competition. Not the day of the disaster:
# Hopsworks leaves rows from before 1970 out of training data.
RECORDED_AT = pd.Timestamp("2012-09-28", tz="UTC")
UNKNOWN = "unknown"  # stores refuse a text column of nothing but nulls, so a missing word is a word
SEXES = ("female", "male")
PORTS = ("S", "C", "Q")  # Southampton, Cherbourg, Queenstown
TITLES = ("Mr", "Mrs", "Miss", "Master", "officer", "noble")
DECKS = ("A", "B", "C", "D", "E", "F", "G")
CHILD_AGE = 15  # the oldest "Master" is under 13, the youngest "Mr" 11: a rule for unnamed people
NO_GROUP = ("LINE", UNKNOWN)  # employees of the line had this word, not a ticket of their own

COLUMNS = (
    "passenger_id",
    "recorded_at",
    "pclass",
    "sex",
    "age",
    "sibsp",
    "parch",
    "fare",
    "embarked",
    "ticket",
    "title",
    "deck",
    "family_size",
    "ticket_group",
    "fare_per_person",
    "cabin_known",
    "name",
    "survived",
)
TITLE_IN_NAME = re.compile(r"(?:^|, *)(?:the )?([A-Za-z]+)\.")
TITLE_GROUPS = {
    **{title: title for title in TITLES},
    "Ms": "Miss",
    "Mlle": "Miss",
    "Mme": "Mrs",
    **dict.fromkeys(("Capt", "Col", "Major", "Dr", "Rev"), "officer"),
    **dict.fromkeys(("Sir", "Lady", "Countess", "Don", "Dona", "Jonkheer"), "noble"),
}


def ticket_group_sizes(raw: pd.DataFrame) -> dict[str, int]:
    """Ticket -> people in `raw` who travelled on it. No labels: data stored beside the model."""
    sizes = raw["ticket"].value_counts()
    return {str(ticket): int(people) for ticket, people in sizes.items() if ticket not in NO_GROUP}


def build_features(
    raw: pd.DataFrame,
    ticket_sizes: Mapping[str, int] | None = None,
    recorded_at: pd.Timestamp = RECORDED_AT,
) -> pd.DataFrame:
    """The feature table of `raw`, one row per person, in the order of `COLUMNS`.

    `ticket_sizes` are the stored counts for rows that arrive without their companions; without
    them the tickets of `raw` are counted. `survived` is there exactly when `raw` has it.
    """
    sizes = ticket_group_sizes(raw) if ticket_sizes is None else ticket_sizes
    table = raw.copy()
    table["recorded_at"] = pd.Series(recorded_at, index=raw.index).astype("datetime64[us, UTC]")
    for number in ("age", "fare"):
        table[number] = raw[number].astype("float64")
    table["sex"] = _known_word(raw["sex"], SEXES)
    table["embarked"] = _known_word(raw["embarked"], PORTS)
    table["title"] = titles(raw)
    table["deck"] = _known_word(raw["cabin"].astype("object").str[:1], DECKS)
    table["cabin_known"] = raw["cabin"].notna().astype("int64")
    table["family_size"] = raw["sibsp"] + raw["parch"] + 1
    table["ticket"] = raw["ticket"].astype("object").fillna(UNKNOWN)
    people = table["ticket"].map(sizes).astype("float64").fillna(table["family_size"])
    table["ticket_group"] = people.astype("int64")
    # a fare was paid per ticket, for everyone on it
    table["fare_per_person"] = table["fare"] / table["ticket_group"]
    return table[[column for column in COLUMNS if column in table]]


def titles(raw: pd.DataFrame) -> pd.Series:
    """One of `TITLES` each: read from the name, otherwise the usual one for sex, age and family."""
    named = raw["name"].astype("object").str.extract(TITLE_IN_NAME, expand=False).map(TITLE_GROUPS)
    female = raw["sex"] == "female"
    usual = pd.Series("Mr", index=raw.index, dtype="object")
    usual = usual.mask(_child(raw), "Master").mask(female, "Miss")
    # nobody says who is married: a grown woman with a sibling or spouse aboard mostly was
    usual = usual.mask(female & (raw["sibsp"] > 0) & ~_child(raw), "Mrs")
    return named.astype("object").fillna(usual)


def person(
    pclass: int,
    sex: str,
    age: float = float("nan"),
    sibsp: int = 0,
    parch: int = 0,
    fare: float = float("nan"),
    embarked: str | None = None,
    cabin: str | bool = False,
    title: str | None = None,
    name: str = "",
    passenger_id: int = 0,
) -> pd.DataFrame:
    """The raw row of one person typed into an app, ready for `build_features`.

    `cabin` is a cabin or deck ("C85", "C"), or True when it is known that there was one. `fare` is
    what was paid for the whole ticket. A `title` that is not given is derived from sex and age.
    """
    row = {
        "passenger_id": passenger_id,
        "pclass": int(pclass),
        "name": f"{name}, {title}." if title else name,
        "sex": sex,
        "age": float("nan") if age is None else float(age),
        "sibsp": int(sibsp),
        "parch": int(parch),
        "ticket": None,
        "fare": float("nan") if fare is None else float(fare),
        "cabin": "?" if cabin is True else cabin or None,
        "embarked": embarked,
    }
    return pd.DataFrame([row])


def schema(labelled: bool = True):
    """The pandera schema of the feature table; `labelled` says whether outcomes are known."""
    from pandera.pandas import Check, Column, DataFrameSchema

    one_of, at_least = Check.isin, Check.ge
    columns = {
        "passenger_id": Column("int64", unique=True),
        "recorded_at": Column("datetime64[us, UTC]"),
        "pclass": Column("int64", one_of((1, 2, 3))),
        "sex": Column(object, one_of((*SEXES, UNKNOWN))),
        "age": Column("float64", Check.in_range(0, 100), nullable=True),
        "sibsp": Column("int64", at_least(0)),
        "parch": Column("int64", at_least(0)),
        "fare": Column("float64", at_least(0), nullable=True),
        "embarked": Column(object, one_of((*PORTS, UNKNOWN))),
        "ticket": Column(object),
        "title": Column(object, one_of(TITLES)),
        "deck": Column(object, one_of((*DECKS, UNKNOWN))),
        "family_size": Column("int64", at_least(1)),
        "ticket_group": Column("int64", at_least(1)),
        "fare_per_person": Column("float64", at_least(0), nullable=True),
        "cabin_known": Column("int64", one_of((0, 1))),
        "name": Column(object),
    }
    if labelled:
        columns["survived"] = Column("int64", one_of((0, 1)))
    return DataFrameSchema(columns, strict=True, ordered=True, name="titanic features")


def _known_word(words: pd.Series, known: tuple[str, ...]) -> pd.Series:
    words = words.astype("object")
    return words.where(words.isin(known), UNKNOWN)


def _child(raw: pd.DataFrame) -> pd.Series:
    return raw["age"] < CHILD_AGE
