"""Passengers who never lived, for the daily run: their table looks like the real one.

    generator = fit(features)                      # the feature table of real passengers
    today = generator.sample(10, "2026-11-20")     # the same rows however often it runs

A class-conditional Gaussian copula: for each outcome, travel class and kind of person it keeps how
each quantity is spread, and how the quantities move together as correlations of normal scores.
Rows that break a rule of `_broken` are drawn again. Nothing it makes may train a model.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from fti.errors import SourceError
from titanic.features import COLUMNS, DECKS, PORTS, TITLES, UNKNOWN
from titanic.sources import GIVEN_NAMES, SURNAMES

VERSION = "copula-1"  # change it when the same table and date give other rows
PER_DAY = 10**8  # passengers a day has numbers for
BLOCK = 16_384  # passengers drawn together; a day's first ones do not depend on how many are asked
ROUNDS = 10  # of drawing again before a row is corrected instead
SMALLEST_CELL = 20  # people; fewer share a cell with those of the other outcome
SHRINK = 40  # people's worth of the common correlations mixed into each cell's own
OLDEST = 80.0  # years
GROWN_UP = 15  # years; titles and drift tell children from adults here
YOUNGEST_WIFE = 14  # years
ALONE_FROM = 12  # years; younger children do not travel alone
HALF_YEARS = 0.025  # share of ages that the clerks estimated to the half year
PENNIES = 240  # in a pound
EXTRA_COLUMNS = ("generated_at", "is_synthetic", "generator_version", "drifted")

ROLES = {  # kind of person -> sex and possible titles, the usual one first
    "man": ("male", ("Mr", "officer", "noble")),
    "boy": ("male", ("Master",)),
    "wife": ("female", ("Mrs", "officer", "noble")),
    "girl": ("female", ("Miss",)),  # an unmarried woman of any age
}
MAN, BOY, WIFE, GIRL = range(4)
FORMS = {"officer": ("Dr", "Rev", "Major", "Col"), "noble": ("Sir",)}  # as written in a name
WOMENS_FORMS = {"officer": ("Dr",), "noble": ("Lady",)}
DECK_WORDS = (*DECKS, UNKNOWN)
NO_DECK = DECK_WORDS.index(UNKNOWN)
DECKS_OF = {1: "ABCDE", 2: "DEF", 3: "EFG"}  # where each class had cabins
IN_CLASS = np.array([[deck in DECKS_OF.get(c, "") for deck in DECKS] + [True] for c in range(4)])

# What the copula joins, in the order of its correlations. `party` stands for siblings and spouse,
# parents and children, and people on the ticket; `price` is pounds a head.
VARIABLES = ("age", "age_known", "party", "price", "port", "deck", "title")
PARTY = ("sibsp", "parch", "ticket_group")
TOLD_APART_BY = ("survived", "pclass", "role", "title", "deck", "port", *PARTY)


@dataclass(frozen=True, eq=False)
class Marginal:
    """How one quantity is spread: values in the copula's order and where each one's share ends."""

    values: np.ndarray
    ends: np.ndarray
    smooth: bool

    def at(self, share: np.ndarray) -> np.ndarray:
        """The values at the given shares (0 to 1), between known ones if smooth."""
        if self.smooth:
            middles = self.ends - np.diff(self.ends, prepend=0.0) / 2
            return np.interp(share, middles, self.values)
        place = np.searchsorted(self.ends, share, side="right")
        return self.values[np.minimum(place, len(self.values) - 1)]

    def scores(self) -> np.ndarray:
        """The mean of a standard normal variable over each value's share."""
        edges = ndtri(np.concatenate([[0.0], self.ends[:-1], [1.0]]))
        density = np.exp(-(edges**2) / 2) / np.sqrt(2 * np.pi)
        return -np.diff(density) / np.diff(self.ends, prepend=0.0)


@dataclass(frozen=True, eq=False)
class Cell:
    """What is known about one kind of person of one class and outcome."""

    survived: int
    pclass: int
    role: int
    people: int
    root: np.ndarray  # Cholesky factor of the correlations between VARIABLES
    marginals: tuple[Marginal, ...]


@dataclass(frozen=True, eq=False)
class PassengerGenerator:
    """Draws synthetic passengers; made by `fit`."""

    cells: tuple[Cell, ...]
    parties: np.ndarray  # a row of PARTY for each value of the variable `party`
    learned: np.ndarray  # sorted fingerprints of the real rows
    survival_rate: float
    version: str = VERSION

    def sample(self, n: int, date, survival_rate=None, drift=0.0) -> pd.DataFrame:
        """Give the first `n` passengers of `date` (a day, UTC) as a feature table.

        It has the features' COLUMNS, recorded at that midnight, and EXTRA_COLUMNS. `survival_rate`
        (0 to 1) replaces the real table's. A `drift` above 0 makes the day differ, which the
        column `drifted` says: at 1 adults are 12 years older, third class three times as likely
        and fares half as high again.
        """
        pieces = self.batches(n, date, survival_rate=survival_rate, drift=drift)
        return pd.concat(pieces, ignore_index=True)

    def batches(self, n: int, date, survival_rate=None, drift=0.0) -> Iterator[pd.DataFrame]:
        """Give the rows of `sample` in pieces of BLOCK, so that memory does not grow with `n`."""
        rate = self.survival_rate if survival_rate is None else float(survival_rate)
        if not 0 <= n <= PER_DAY:
            raise ValueError(f"a day has 0 to {PER_DAY:,} passengers, not {n:,}")
        if not 0 <= rate <= 1:
            raise ValueError(f"a survival rate is between 0 and 1, not {rate}")
        if not 0 <= drift < np.inf:
            raise ValueError(f"a drift is 0 or more, not {drift}")
        day = _midnight(date)
        for first in range(0, max(n, 1), BLOCK):
            count = min(BLOCK, n - first)
            yield self._block(first, count, day, rate, float(drift))

    def _block(self, first, count, day, rate, drift):
        """Draw a block whole, so that its first rows are the same for every `count`."""
        number = int(day.strftime("%Y%m%d"))
        rng = np.random.default_rng([number, first])
        cells = self._choose_cells(rng, rate, drift)
        drawn = self._draw(cells, rng, drift)
        for _ in range(ROUNDS):
            (bad,) = np.nonzero(_broken(drawn))
            if len(bad) == 0:
                break
            for name, values in self._draw(cells[bad], rng, drift).items():
                drawn[name][bad] = values
        _correct(drawn)
        self._move_off_real_people(drawn, rng)
        drawn["person"] = rng.integers(2**31, size=BLOCK)
        drawn = {name: values[:count] for name, values in drawn.items()}
        ids = number * PER_DAY + first + np.arange(count, dtype=np.int64)
        return _table(drawn, ids, day, self.version, drift > 0)

    def _choose_cells(self, rng, rate, drift):
        """Choose the cell of each passenger of a block: the outcome first, then who it is."""
        survived = rng.random(BLOCK) < rate
        share = rng.random(BLOCK)
        chosen = np.empty(BLOCK, dtype=np.int64)
        for outcome in (0, 1):
            places = [i for i, cell in enumerate(self.cells) if cell.survived == outcome]
            cells = [self.cells[i] for i in places]
            weights = [cell.people * (1 + 2 * drift * (cell.pclass == 3)) for cell in cells]
            ends = np.cumsum(weights) / np.sum(weights)
            order = np.searchsorted(ends[:-1], share[survived == outcome], side="right")
            chosen[survived == outcome] = np.array(places)[order]
        return chosen

    def _draw(self, cells, rng, drift):
        """Draw one row for each given cell; columns are numbers and codes."""
        normal = rng.standard_normal((len(cells), len(VARIABLES)))
        values = np.empty_like(normal)
        for place, cell in enumerate(self.cells):
            (mine,) = np.nonzero(cells == place)
            shares = ndtr(normal[mine] @ cell.root.T)
            for column, marginal in enumerate(cell.marginals):
                values[mine, column] = marginal.at(shares[:, column])
        drawn = dict(zip(VARIABLES, values.T.copy(), strict=True))
        for name in ("age_known", "party", "port", "deck", "title"):
            drawn[name] = drawn[name].astype(np.int64)
        for name in ("survived", "pclass", "role"):
            drawn[name] = np.array([getattr(cell, name) for cell in self.cells])[cells]
        drawn |= dict(zip(PARTY, self.parties[drawn["party"]].T.copy(), strict=True))
        older = drawn["age"] + 12 * drift * (drawn["age"] >= GROWN_UP)
        drawn["age"] = _as_recorded(older, rng.random(len(cells)))
        drawn["fare"] = np.round(drawn["price"] * (1 + drift / 2) * drawn["ticket_group"], 4)
        return drawn

    def _move_off_real_people(self, drawn, rng):
        """Change the fare by some pence where all of a real passenger's row was hit."""
        for _ in range(3):
            prints = _fingerprints(drawn)
            nearest = np.searchsorted(self.learned[:-1], prints)
            (same,) = np.nonzero((self.learned[nearest] == prints) & (drawn["fare"] > 0))
            pence = rng.integers(1, 7, size=len(same))
            drawn["fare"][same] = np.round(drawn["fare"][same] + pence / PENNIES, 4)


def fit(features: pd.DataFrame) -> PassengerGenerator:
    """Learn the generator from the feature table of real passengers, both outcomes in it."""
    _check_enough_is_known(features)
    people, parties = _people(features)
    kinds = np.column_stack([people[name] for name in ("survived", "pclass", "role")])
    keys, sizes = np.unique(kinds, axis=0, return_counts=True)
    members = [_members(kinds, key, size) for key, size in zip(keys, sizes, strict=True)]
    spreads = [tuple(_marginal(name, people, rows) for name in VARIABLES) for rows in members]
    own = [_correlations(people, *learnt) for learnt in zip(members, spreads, strict=True)]
    seen = np.array([rows.sum() for rows in members])[:, None, None]
    common = (seen * own).sum(axis=0) / seen.sum()
    roots = [_root(mixed) for mixed in (seen * own + SHRINK * common) / (seen + SHRINK)]
    return PassengerGenerator(
        cells=tuple(
            Cell(*key.tolist(), int(size), root, spread)
            for key, size, root, spread in zip(keys, sizes, roots, spreads, strict=True)
        ),
        parties=parties,
        learned=np.sort(_fingerprints(people)),
        survival_rate=float(features["survived"].mean()),
    )


def _check_enough_is_known(features):
    known = {
        "survived and lost passengers": set(features["survived"]) == {0, 1},
        "a known age": features["age"].notna().any(),
        "a known fare": features["fare"].notna().any(),
        "a known port": features["embarked"].isin(PORTS).any(),
    }
    lacking = [what for what, there in known.items() if not there]
    if lacking:
        raise SourceError(
            f"The passengers to learn from lack {', '.join(lacking)}: give a fuller table."
        )


def _people(features):
    """The feature table in numbers and codes, NaN when unknown, and the kinds of party."""
    people = {name: features[name].to_numpy() for name in ("survived", "pclass", "age", "fare")}
    people |= {name: features[name].to_numpy() for name in PARTY}
    people["age_known"] = (~np.isnan(people["age"])).astype(np.int64)
    parties, places = np.unique(features[[*PARTY]].to_numpy(), axis=0, return_inverse=True)
    people["party"] = places.ravel()
    people["price"] = people["fare"] / people["ticket_group"]
    ports = features["embarked"].map({port: i for i, port in enumerate(PORTS)})
    people["port"] = ports.to_numpy(dtype="float64")
    people["deck"] = features["deck"].map(DECK_WORDS.index).to_numpy()
    male, title = features["sex"] == "male", features["title"]
    people["role"] = np.select(
        [male & (title == "Master"), male, title == "Miss"], [BOY, MAN, GIRL], WIFE
    )
    titles = [titles for _, titles in ROLES.values()]
    fitting = [
        TITLES.index(word if word in titles[role] else titles[role][0])
        for word, role in zip(title, people["role"], strict=True)
    ]
    return people | {"title": np.array(fitting)}, parties


def _members(kinds, key, size):
    """Which rows a cell learns from: its own, and if too few those of the other outcome too."""
    same = kinds == key
    return same.all(axis=1) if size >= SMALLEST_CELL else same[:, 1:].all(axis=1)


def _marginal(name, people, rows):
    """How `name` is spread over the rows, or over everyone if it is known of none of them."""
    known = ~np.isnan(people[name])
    rows = rows & known if (rows & known).any() else known
    values, counts = np.unique(people[name][rows], return_counts=True)
    if name in ("party", "port", "deck"):  # words get the order of what people paid
        order = np.argsort(_mean_prices(people[name][rows], people["price"][rows]), kind="stable")
        values, counts = values[order], counts[order]
    return Marginal(values, np.cumsum(counts) / counts.sum(), smooth=name == "age")


def _mean_prices(codes, prices):
    """The mean known price of each code, in the order of the codes."""
    _, places = np.unique(codes, return_inverse=True)
    known = ~np.isnan(prices)
    counts = np.bincount(places, weights=known)
    return np.bincount(places, weights=np.nan_to_num(prices)) / np.maximum(counts, 1)


def _correlations(people, rows, marginals):
    """Correlations of the normal variables behind VARIABLES, from the rows where both are known.

    A value that many share tells its normal variable only roughly; dividing by the variance that
    the scores have left makes up for that.
    """
    scores = np.zeros((rows.sum(), len(VARIABLES)))
    known = np.zeros_like(scores)
    for column, (name, marginal) in enumerate(zip(VARIABLES, marginals, strict=True)):
        values = people[name][rows]
        sorter = np.argsort(marginal.values)
        places = sorter[np.searchsorted(marginal.values[sorter[:-1]], values)]
        known[:, column] = ~np.isnan(values)
        scores[:, column] = np.where(known[:, column], marginal.scores()[places], 0.0)
    covariance = scores.T @ scores / np.maximum(known.T @ known, 1)
    left = np.diag(covariance)
    correlations = np.clip(covariance / np.maximum(np.outer(left, left), 0.05), -0.95, 0.95)
    np.fill_diagonal(correlations, 1.0)
    return correlations


def _root(correlations):
    """The Cholesky factor of the nearest matrix that has one, with ones on its diagonal."""
    sizes, directions = np.linalg.eigh(correlations)
    positive = (directions * np.maximum(sizes, 1e-3)) @ directions.T
    scale = np.sqrt(np.diag(positive))
    return np.linalg.cholesky(positive / np.outer(scale, scale))


def _midnight(date):
    day = pd.Timestamp(date)
    day = day.tz_convert("UTC") if day.tzinfo else day.tz_localize("UTC")
    return day.normalize().as_unit("us")


def _as_recorded(age, share):
    """Ages as clerks wrote them: babies in months, others in years, HALF_YEARS in half years."""
    age = np.minimum(age, OLDEST)
    months = np.round(np.clip(np.round(age * 12), 1, 11) / 12, 2)
    halves = (share < HALF_YEARS) & (age >= GROWN_UP)
    years = np.where(halves, np.floor(age) + 0.5, np.floor(age + 0.5))
    return np.where(age < 0.96, months, np.minimum(years, OLDEST))


def _broken(drawn):
    """Which rows break a rule that correlations do not know."""
    return (
        _child_alone(drawn)
        | ((drawn["role"] == BOY) & (drawn["age"] >= GROWN_UP))
        | ((drawn["role"] == WIFE) & (drawn["age"] < YOUNGEST_WIFE))
        | ~IN_CLASS[drawn["pclass"], drawn["deck"]]
    )


def _child_alone(drawn):
    alone = drawn["sibsp"] + drawn["parch"] + drawn["ticket_group"] == 1
    return alone & (drawn["age"] < ALONE_FROM)


def _correct(drawn):
    """Make the rows good that drawing again did not."""
    drawn["age"][_child_alone(drawn)] = ALONE_FROM
    boy, wife = drawn["role"] == BOY, drawn["role"] == WIFE
    drawn["age"][boy] = np.minimum(drawn["age"][boy], GROWN_UP - 1)
    drawn["age"][wife] = np.maximum(drawn["age"][wife], YOUNGEST_WIFE)
    drawn["deck"][~IN_CLASS[drawn["pclass"], drawn["deck"]]] = NO_DECK


def _fingerprints(drawn):
    """One number for each row; equal rows have equal ones."""
    age = np.where(drawn["age_known"] == 1, drawn["age"] * 100, -1)
    parts = [age, drawn["fare"] * 10_000, *(drawn[name] for name in TOLD_APART_BY)]
    prints = np.zeros(len(age), dtype=np.uint64)
    for part in parts:
        whole = np.round(np.nan_to_num(part, nan=-1)).astype(np.int64).astype(np.uint64)
        prints = (prints ^ whole) * np.uint64(0x9E3779B97F4A7C15)  # spreads the bits
        prints ^= prints >> np.uint64(29)
    return prints


def _table(drawn, ids, day, version, drifted):
    """Put words for codes and add what follows from the drawn columns."""
    sexes = [sex for sex, _ in ROLES.values()]
    midnight = pd.Series(day, index=range(len(ids)), dtype="datetime64[us, UTC]")
    table = pd.DataFrame({name: drawn[name] for name in ("pclass", *PARTY, "fare", "survived")})
    table["age"] = np.where(drawn["age_known"] == 1, drawn["age"], np.nan)
    for name, words, codes in (
        ("sex", sexes, drawn["role"]),
        ("embarked", PORTS, drawn["port"]),
        ("title", TITLES, drawn["title"]),
        ("deck", DECK_WORDS, drawn["deck"]),
    ):
        table[name] = np.array(words, dtype="object")[codes]
    table["family_size"] = table["sibsp"] + table["parch"] + 1
    table["fare_per_person"] = table["fare"] / table["ticket_group"]
    table["cabin_known"] = (drawn["deck"] != NO_DECK).astype("int64")
    table["name"], table["ticket"] = _names(drawn), UNKNOWN
    table["passenger_id"], table["recorded_at"], table["generated_at"] = ids, midnight, midnight
    table["is_synthetic"], table["drifted"] = True, drifted
    table["generator_version"] = pd.Series(version, index=table.index, dtype="object")
    return table[[*COLUMNS, *EXTRA_COLUMNS]]


def _names(drawn):
    """A made-up name for each row, with the title that the row has."""
    surnames = np.array(SURNAMES, dtype="object")
    surname, rest = drawn["person"] % len(surnames), drawn["person"] // len(surnames)
    names = np.empty(len(rest), dtype="object")
    for role, (sex, titles) in enumerate(ROLES.values()):
        written = FORMS if sex == "male" else WOMENS_FORMS
        for title in titles:
            forms = written.get(title, (title,))
            given = np.array(
                [f", {form}. {name}" for form in forms for name in GIVEN_NAMES[sex]], dtype="object"
            )
            mine = (drawn["role"] == role) & (drawn["title"] == TITLES.index(title))
            names[mine] = surnames[surname[mine]] + given[rest[mine] % len(given)]
    return names
