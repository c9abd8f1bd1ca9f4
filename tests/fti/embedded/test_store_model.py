"""Any order of writes leaves the rows that a plain list of rows would hold."""

import math
import tempfile
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fti.embedded import offline
from fti.embedded.project import Project

START = datetime(2026, 1, 1)
TEXTS = [
    "",
    "a",
    "it's",
    'say "no"',
    "back\\slash",
    "line\nbreak",
    "\0",
    "åäö",
    "漢字",
    "\U0001f600",
]
TEXTS += ["x" * 63 + "1", "x" * 64 + "1", "x" * 64 + "2", "NULL", "%", "; DROP TABLE t"]

ids = st.integers(-30, 30) | st.sampled_from([-(2**63), 2**63 - 1])
texts = st.sampled_from(TEXTS)
times = st.integers(-3000, 3000).map(lambda us: START + timedelta(microseconds=us * 7))
days = st.integers(-4, 4).map(lambda n: date(2026, 1, 1) + timedelta(days=n))

# How rows are identified: the key columns with their types and values.
KEYS = {
    "number and time": {"id": (pa.int64(), ids), "at": (pa.timestamp("us"), times)},
    "text": {"name": (pa.string(), texts)},
    "number, text and day": {
        "id": (pa.int32(), st.integers(-3, 3)),
        "name": (pa.string(), texts),
        "day": (pa.date32(), days),
    },
}
VALUES = {
    "amount": (pa.float64(), st.none() | st.floats(width=32)),
    "note": (pa.string(), st.none() | texts),
    "ok": (pa.bool_(), st.none() | st.booleans()),
    "seen": (pa.timestamp("us"), st.none() | times),
    "on": (pa.date32(), st.none() | days),
    "count": (pa.int64(), st.none() | ids),
}


def plain(value):
    """A stored or given value in the one form they share: NaN and NaT are None."""
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, float) and math.isnan(value):
        return None
    return value.to_pydatetime() if isinstance(value, pd.Timestamp) else value


class Store(RuleBasedStateMachine):
    kind = "number and time"

    def __init__(self):
        super().__init__()
        self.home = tempfile.TemporaryDirectory()
        self.small, self.every = offline.SMALL_FILES, offline.TIDY_EVERY
        offline.SMALL_FILES, offline.TIDY_EVERY = 5, 4  # so that short stories see merged files
        self.columns = KEYS[self.kind] | VALUES
        self.schema = pa.schema([(name, kind) for name, (kind, _) in self.columns.items()])
        self.rows = []
        self.past = []  # (milliseconds of the commit, the rows then)

    def teardown(self):
        offline.SMALL_FILES, offline.TIDY_EVERY = self.small, self.every
        self.home.cleanup()

    # --- the two sides -------------------------------------------------------------------------

    @property
    def group(self):
        names = list(KEYS[self.kind])
        timed = {"at": "at", "day": "day"}.get(names[-1])
        store = Project(Path(self.home.name)).get_feature_store()
        return store.get_or_create_feature_group(
            "things",
            version=1,
            primary_key=[name for name in names if name != timed],
            event_time=timed,
        )

    def key(self, row):
        return tuple(row[name] for name in KEYS[self.kind])

    def batch(self, data, size=8):
        strategy = st.fixed_dictionaries({n: values for n, (_, values) in self.columns.items()})
        return data.draw(st.lists(strategy, max_size=size, unique_by=self.key))

    def frame(self, rows, pandas):
        table = pa.Table.from_pylist(rows, schema=self.schema)
        return table.to_pandas(types_mapper=pd.ArrowDtype) if pandas else table

    def without(self, keys):
        return [row for row in self.rows if self.key(row) not in keys]

    def committed(self):
        commits = self.group._table.commits(1)
        if commits:
            self.past.append((commits[0].committed_at, list(self.rows)))

    def same(self, frame, rows):
        stored = (tuple(map(plain, row)) for row in frame.itertuples(index=False))
        given = (tuple(plain(row[name]) for name in self.schema.names) for row in rows)
        assert Counter(self.typed(stored)) == Counter(self.typed(given))

    def typed(self, rows):
        """Nullable whole numbers and truths come back from pandas as floats and objects."""
        return (tuple(float(v) if type(v) in (int, bool) else v for v in row) for row in rows)

    # --- what a user does ----------------------------------------------------------------------

    @initialize(data=st.data(), pandas=st.booleans())
    def first_insert(self, data, pandas):
        self.upsert(data, pandas)

    @rule(data=st.data(), pandas=st.booleans())
    def upsert(self, data, pandas):
        rows = self.batch(data)
        self.group.insert(self.frame(rows, pandas))
        self.rows = self.without({self.key(row) for row in rows}) + rows
        self.committed()

    @rule(data=st.data())
    def upsert_again(self, data):
        """Replace some rows that are there."""
        once = {self.key(row): row for row in self.rows}
        if once:
            there = st.sampled_from(list(once.values()))
            rows = data.draw(st.lists(there, min_size=1, max_size=3, unique_by=self.key))
            changed = [row | {"note": "changed", "amount": math.inf} for row in rows]
            self.group.insert(self.frame(changed, pandas=False))
            self.rows = self.without({self.key(row) for row in rows}) + changed
            self.committed()

    @rule(data=st.data(), pandas=st.booleans())
    def append(self, data, pandas):
        rows = self.batch(data)
        self.group.insert(self.frame(rows, pandas), operation="insert")
        self.rows = self.rows + rows
        self.committed()

    @rule(data=st.data())
    def overwrite(self, data):
        rows = self.batch(data)
        self.group.insert(self.frame(rows, pandas=False), overwrite=True)
        self.rows = rows
        self.committed()

    @rule(data=st.data())
    def remove(self, data):
        known = [row for row in self.rows if data.draw(st.booleans())][:6]
        rows = known + self.batch(data, size=2)
        self.group.remove_rows(self.frame(rows, pandas=False))
        self.rows = self.without({self.key(row) for row in rows})
        self.committed()

    @rule()
    def compact(self):
        self.group.delta_compact()

    @rule()
    def vacuum(self):
        self.group.delta_vacuum()

    # --- what a user sees ----------------------------------------------------------------------

    @invariant()
    def all_rows_are_read(self):
        if self.group.id is not None:
            self.same(self.group.read(), self.rows)
            assert self.group._table.count() == len(self.rows)

    @rule(data=st.data())
    def read_a_time_range(self, data):
        if self.group.event_time == "at":
            low, high = sorted((data.draw(times), data.draw(times)))
            low, high = (t.replace(microsecond=t.microsecond // 1000 * 1000) for t in (low, high))
            inside = [row for row in self.rows if low <= row["at"] < high]
            self.same(self.group.read(start_time=low, end_time=high), inside)

    @rule(data=st.data())
    def read_with_a_filter(self, data):
        if self.rows:
            value = data.draw(st.sampled_from(self.rows))["note"]
            found = self.group.filter(self.group.get_feature("note") == value).read()
            self.same(found, [row for row in self.rows if row["note"] == value])

    @rule(data=st.data())
    def read_the_past(self, data):
        if self.past:
            moment, _ = data.draw(st.sampled_from(self.past))
            then = [rows for committed, rows in self.past if committed <= moment][-1]
            self.same(self.group.as_of(moment).read(), then)


@pytest.mark.parametrize("kind", KEYS)
def test_any_order_of_writes_leaves_the_rows_of_a_plain_list(kind):
    story = type("Store", (Store,), {"kind": kind}).TestCase
    story.settings = settings(
        max_examples=8,
        stateful_step_count=14,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    story("runTest").runTest()


@pytest.mark.parametrize("nothing", [None, math.nan])
def test_a_key_that_is_no_number_is_refused_before_anything_is_stored(store, nothing):
    group = store.get_or_create_feature_group("things", version=1, primary_key=["x"])
    with pytest.raises(ValueError, match="Primary key column x contains null values"):
        group.insert(pa.table({"x": pa.array([1.5, nothing], pa.float64())}))
    assert store.get_feature_groups("things") == []
