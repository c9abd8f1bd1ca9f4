"""Where raw passengers come from: the course's CSV on the web, a CSV of yours, or a sample.

    read()              TITANIC_SOURCE when set, otherwise the course's CSV from the web
    read("mine.csv")    a file, or an http(s) address
    read("sample")      1,316 passengers without any network

The sample's class, sex, age group and outcome are the published counts of the Board of Trade
inquiry; every name, age, family, ticket, fare, cabin and port in it is generated.
"""

import csv
import io
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from fti import raw
from fti.errors import SourceError
from fti.raw import SAMPLE

log = logging.getLogger(__name__)

COURSE = "https://raw.githubusercontent.com/ID2223KTH/id2223kth.github.io/master/assignments"
COURSE_URLS = (f"{COURSE}/lab1/titanic.csv", f"{COURSE}/2023/lab1/titanic.csv")
NAMED = 3  # faults of a file that its error message spells out; the rest is counted

MISSING = frozenset({"", "na", "nan", "none", "null"})
LARGEST_ID = 2**63 - 1


def read(source: str | None = None, *, cache: Path | None = None, retries: int = 3) -> pd.DataFrame:
    """Give the raw table of `source`: an address, a path, "web" or "sample"; see `chosen`.

    Columns: passenger_id, survived, pclass, sibsp, parch int64; age (years), fare (pounds)
    float64, NaN when unknown; name, sex, ticket str; cabin, embarked str or None. In the order of
    the file. A web address is tried `retries` times more when it does not answer, and its copy is
    kept in the folder `cache`, if given. Raises SourceError.
    """
    source = chosen(source)
    log.info("passengers come from %s", raw.shown(source))
    if source == SAMPLE:
        return sample()
    return parse(*raw.fetch(source, COURSE_URLS, cache=cache, retries=retries))


def chosen(source: str | None = None) -> str:
    """Say which source counts: the argument, else TITANIC_SOURCE, else "web"."""
    return raw.chosen(source, "titanic")


# The table ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Column:
    """How the text of one CSV column becomes values; `read` raises ValueError on a bad one."""

    header: str
    read: Callable[[str], object]
    expected: str
    dtype: str = "object"


@dataclass
class Faults:
    """What is wrong with a file: everything counted, the first few spelled out."""

    name: str
    count: int = 0
    first: list = field(default_factory=list)

    def add(self, line, header, value, expected):
        self.count += 1
        if len(self.first) < NAMED:
            shown = value if len(value) <= 40 else f"{value[:40]}..."
            self.first.append(f"line {line}: {header} is {shown!r}, expected {expected}")

    def raise_if_any(self):
        if self.count:
            more = f"; and {self.count - NAMED:,} more" if self.count > NAMED else ""
            raise _refusal(self.name, "; ".join(self.first) + more)


def parse(data: bytes, name: str) -> pd.DataFrame:
    """Turn the bytes of a CSV into the raw table; `name` says in errors which file it was."""
    header, records = _split(_text(data, name), name)
    places = _places(header, name)
    faults = Faults(name)
    values = {column: [] for column in COLUMNS}
    seen = {}
    for line, record in records:
        for column, kind in COLUMNS.items():
            values[column].append(_value(kind, record[places[column]], line, faults))
        identity = values["passenger_id"][-1]
        first_line = seen.setdefault(identity, line)
        if identity is not None and first_line != line:
            expected = f"another one, as line {first_line} has it"
            faults.add(line, "PassengerId", str(identity), expected)
    faults.raise_if_any()
    return _frame(values)


def _frame(values):
    return pd.DataFrame(
        {name: pd.Series(values[name], dtype=column.dtype) for name, column in COLUMNS.items()}
    )


def _value(kind, text, line, faults):
    try:
        return kind.read(text)
    except (ValueError, OverflowError):
        faults.add(line, kind.header, text, kind.expected)
        return None


def _text(data, name):
    if data.lstrip()[:1] == b"<":
        raise _refusal(name, "this is a web page, not a CSV; take the address of the raw file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        reason = f"line {line} is not UTF-8 text; save the file as CSV UTF-8"
        raise _refusal(name, reason) from None


def _split(text, name):
    """Give the header and [(line, record)], where line is that of the record's end."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        lines = [(reader.line_num, record) for record in reader if record]
    except csv.Error as error:
        raise _refusal(name, f"line {reader.line_num} is not CSV ({error})") from None
    if len(lines) < 2:
        raise _refusal(name, "it has no passengers")
    header = lines[0][1]
    for line, record in lines[1:]:
        if len(record) != len(header):
            counts = f"{len(record)} values, the header {len(header)}"
            raise _refusal(name, f"line {line} has {counts}; quote names that hold a comma")
    return header, lines[1:]


def _places(header, name):
    """Column -> its place in the file, whatever the case of its header."""
    found = [column.strip().lower() for column in header]
    wanted = {column: kind.header for column, kind in COLUMNS.items()}
    missing = [header for header in wanted.values() if header.lower() not in found]
    twice = [header for header in wanted.values() if found.count(header.lower()) > 1]
    if missing or twice:
        kind, which = ("no column", missing) if missing else ("more than one column", twice)
        raise _refusal(name, f"line 1 has {kind} {', '.join(which)}, separated by commas")
    return {column: found.index(header.lower()) for column, header in wanted.items()}


def _refusal(name, reason):
    advice = "correct the file or use the built-in sample with --source sample"
    return SourceError(f"{name}: {reason}; {advice}.")


def _integer(low, high):
    def read_integer(text):
        number = float(text) if "." in text else int(text)
        if not (low <= number <= high and number == int(number)):
            raise ValueError
        return int(number)

    return read_integer


def _decimal(low, high):
    def read_decimal(text):
        if text.strip().lower() in MISSING:
            return math.nan
        number = float(text)
        if not low <= number <= high:
            raise ValueError
        return number

    return read_decimal


def _word(*allowed, missing=False):
    known = {word.lower(): word for word in allowed}

    def read_word(text):
        word = text.strip().lower()
        if missing and word in MISSING:
            return None
        if word not in known:
            raise ValueError
        return known[word]

    return read_word


def _words(text):
    if not text.strip():
        raise ValueError
    return text


def _words_or_none(text):
    return None if text.strip().lower() in MISSING else text


COLUMNS = {
    "passenger_id": Column("PassengerId", _integer(0, LARGEST_ID), "a whole number", "int64"),
    "survived": Column("Survived", _integer(0, 1), "0 or 1", "int64"),
    "pclass": Column("Pclass", _integer(1, 3), "1, 2 or 3", "int64"),
    "name": Column("Name", _words, "a name"),
    "sex": Column("Sex", _word("male", "female"), "male or female"),
    "age": Column("Age", _decimal(0, 100), "0 to 100 (years) or nothing", "float64"),
    "sibsp": Column("SibSp", _integer(0, 20), "a whole number from 0 to 20", "int64"),
    "parch": Column("Parch", _integer(0, 20), "a whole number from 0 to 20", "int64"),
    "ticket": Column("Ticket", _words, "a ticket number"),
    "fare": Column("Fare", _decimal(0, 10_000), "0 to 10000 (pounds) or nothing", "float64"),
    "cabin": Column("Cabin", _words_or_none, "a cabin or nothing"),
    "embarked": Column("Embarked", _word("S", "C", "Q", missing=True), "S, C, Q or nothing"),
}


# The sample --------------------------------------------------------------------------------------

# (class, sex, age group) -> (lost, survived), passengers only: the inquiry's report of 1912, also
# known as the data set `Titanic` of R.
COUNTS = {
    (1, "male", "child"): (0, 5),
    (1, "female", "child"): (0, 1),
    (1, "male", "adult"): (118, 57),
    (1, "female", "adult"): (4, 140),
    (2, "male", "child"): (0, 11),
    (2, "female", "child"): (0, 13),
    (2, "male", "adult"): (154, 14),
    (2, "female", "adult"): (13, 80),
    (3, "male", "child"): (35, 13),
    (3, "female", "child"): (17, 14),
    (3, "male", "adult"): (387, 75),
    (3, "female", "adult"): (89, 76),
}
# Everything below shapes what is generated: class -> plausible values.
ADULT_AGE = {1: (3.0, 8.0), 2: (2.2, 7.0), 3: (1.8, 7.0)}  # 15 years + gamma(shape, scale)
AGE_UNKNOWN = {1: 0.17, 2: 0.07, 3: 0.28}  # of adults: the counts of children stay countable
COUPLES = {1: 0.45, 2: 0.35, 3: 0.2}  # share of women without children who travel with a husband
FRIENDS = {1: 0.25, 2: 0.15, 3: 0.08}  # chance that someone joins the ticket before
SIBLINGS = {1: (0.7, 0.3), 2: (0.5, 0.4, 0.1), 3: (0.35, 0.3, 0.15, 0.1, 0.1)}  # 1, 2, 3...
PORTS = {1: (0.6, 0.39, 0.01), 2: (0.9, 0.08, 0.02), 3: (0.72, 0.13, 0.15)}  # S, C, Q
CABIN_KNOWN = {1: 0.8, 2: 0.09, 3: 0.025}
DECKS = {1: "AABBBBCCCCCDDDEE", 2: "DEFF", 3: "EFFGG"}
TICKETS = {1: "11{}", 2: "2{}", 3: "3{}"}
PRICES = {  # pounds a head
    1: (26.55, 26.55, 27.7208, 30.5, 35.5, 39.6, 45.25, 52.0, 66.6, 76.7292, 110.8833),
    2: (10.5, 10.5, 12.35, 13.0, 13.0, 13.0, 13.8583, 15.05),
    3: (7.05, 7.225, 7.25, 7.75, 7.775, 7.8542, 7.8958, 7.8958, 7.925, 8.05, 8.05, 8.6625, 9.5),
}
SURNAME_STARTS = """Ash Black Brook Carl Dal East Fair Gold Hall Holm Kings Lind Marsh North Oak
Rosen Sand Stone Wester Wind"""
SURNAME_ENDS = "berg bury dale field ford gren ham ley man quist sen strom ton wood worth"
SURNAMES = tuple(a + b for a in SURNAME_STARTS.split() for b in SURNAME_ENDS.split())
WOMEN = """Ada Agnes Alice Anna Annie Augusta Bertha Catherine Clara Edith Elin Elizabeth Ellen
Emily Emma Florence Helen Hilda Ida Kate Margaret Maria Mary Nora Rosa Selma"""
MEN = """Albert Alfred Anders Arthur Charles Edward Ernest Frank Frederick George Gustaf Harry Henry
Hugo James John Karl Nils Oscar Patrick Percy Peter Samuel Thomas Walter William"""
GIVEN_NAMES = {"female": tuple(WOMEN.split()), "male": tuple(MEN.split())}


def sample(seed: int = 1912) -> pd.DataFrame:
    """Give 1,316 passengers in the raw table's form: published counts, everything else generated.

    Those without a known age are all adults (15 or older). The same seed gives the same table.
    """
    rng = np.random.default_rng(seed)
    people = []
    for pclass in (1, 2, 3):
        numbers = iter(rng.permutation(np.arange(1000, 10_000)).tolist())
        for party in _parties(_of_class(pclass, rng), pclass, rng):
            _share_ticket(party, pclass, next(numbers), rng)
            people += party
    for person in people:
        unknown = person["age"] >= 15 and rng.random() < AGE_UNKNOWN[person["pclass"]]
        person["age"] = math.nan if unknown else person["age"]
    order = rng.permutation(len(people))
    table = [{**people[place], "passenger_id": row + 1} for row, place in enumerate(order)]
    return _frame({column: [person[column] for person in table] for column in COLUMNS})


def _of_class(pclass, rng):
    """The people of one class as the inquiry counted them, with ages, in random order."""
    people = [
        {"pclass": pclass, "sex": sex, "survived": survived, "age": _age(pclass, group, rng)}
        | {"sibsp": 0, "parch": 0, "title": _usual_title(sex, group)}
        for (of_class, sex, group), counts in COUNTS.items()
        for survived, count in enumerate(counts)
        for _ in range(count if of_class == pclass else 0)
    ]
    return [people[place] for place in rng.permutation(len(people))]


def _age(pclass, group, rng):
    """Years; those of babies are months, some of adults are halves."""
    if group == "child":
        months = rng.integers(2, 12) if rng.random() < 0.1 else 12 * rng.integers(1, 15)
        return round(int(months) / 12, 2)
    years = min(15 + int(rng.gamma(*ADULT_AGE[pclass])), 74)
    return years + 0.5 * (rng.random() < 0.03)


def _usual_title(sex, group):
    if sex == "female":
        return "Miss"
    return "Master" if group == "child" else "Mr"


def _parties(people, pclass, rng):
    """Put the people of one class into families, couples, friends and people alone."""
    children = [person for person in people if person["age"] < 15]
    men, women = (
        [person for person in people if person["age"] >= 15 and person["sex"] == sex]
        for sex in ("male", "female")
    )
    parties = []
    while children:
        count = 1 + int(rng.choice(len(SIBLINGS[pclass]), p=SIBLINGS[pclass]))
        siblings, children = children[:count], children[count:]
        mother = women.pop() if rng.random() < 0.85 else None
        father = men.pop() if mother is None or rng.random() < 0.6 else None
        parties.append(_family(father, mother, siblings, rng))
    for _ in range(int(COUPLES[pclass] * len(women))):
        parties.append(_family(men.pop(), women.pop(), [], rng))
    for person in _dignified(men, pclass, rng) + women:
        if parties and len(parties[-1]) < 7 and rng.random() < FRIENDS[pclass]:
            parties[-1].append(person)
        else:
            parties.append([person])
    return parties


def _family(father, mother, children, rng):
    """Relate the members to each other: ages, titles and whom each has aboard."""
    parents = [parent for parent in (father, mother) if parent]
    oldest = max((child["age"] for child in children), default=0)
    for parent in parents:
        parent["age"] = int(max(parent["age"], oldest + rng.integers(18, 30)))
        parent["sibsp"], parent["parch"] = len(parents) - 1, len(children)
    for child in children:
        child["sibsp"], child["parch"] = len(children) - 1, len(parents)
    if mother:
        mother["title"] = "Mrs"
    return [*parents, *children]


def _dignified(men, pclass, rng):
    """Give a few men without family another title than Mr."""
    titles = {1: ("Dr", "Col", "Major", "Sir"), 2: ("Rev", "Rev", "Dr")}.get(pclass, ())
    for man in men:
        if titles and man["age"] > 26 and rng.random() < 0.06:
            man["title"] = str(rng.choice(titles))
    return men


def _share_ticket(party, pclass, number, rng):
    """Give a party its ticket, fare, port, cabin and names; friends keep their own surname."""
    port = rng.choice(("S", "C", "Q"), p=PORTS[pclass]) if rng.random() > 0.002 else None
    heads = sum(0.5 if person["age"] < 15 else 1 for person in party)
    free = len(party) == 1 and rng.random() < 0.01
    shared = {
        "ticket": TICKETS[pclass].format(number),
        "fare": 0.0 if free else round(heads * float(rng.choice(PRICES[pclass])), 4),
        "embarked": port and str(port),
        "cabin": None,
    }
    if rng.random() < CABIN_KNOWN[pclass]:
        shared["cabin"] = f"{rng.choice(list(DECKS[pclass]))}{rng.integers(2, 120)}"
    family = str(rng.choice(SURNAMES))
    for person in party:
        related = person["sibsp"] + person["parch"] > 0
        person |= shared | {"name": _name(person, family if related else None, rng)}


def _name(person, family, rng):
    surname = family or rng.choice(SURNAMES)
    return f"{surname}, {person['title']}. {rng.choice(GIVEN_NAMES[person['sex']])}"
