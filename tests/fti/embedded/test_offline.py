import math
import os
import string
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fti.embedded import offline
from fti.embedded.offline import OfflineTable, Transaction
from fti.errors import UserError

SETTINGS = settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
HOUR = 3600  # seconds


def rows(ids, value=0.0):
    ids = list(ids)
    return pa.table({"id": pa.array(ids, pa.int64()), "value": [float(value)] * len(ids)})


def stored(table, version=None):
    """All rows of a version as a dict; a key that is there twice fails the test."""
    files = table.files(version)
    if not files:
        return {}
    schema = pa.schema([("id", pa.int64()), ("value", pa.float64())])
    found = offline.sql(f"FROM {offline.scan(files, schema)}").to_pylist()
    assert len({row["id"] for row in found}) == len(found)
    return {row["id"]: row["value"] for row in found}


def make_old(folder, hours):
    for file in folder.iterdir():
        os.utime(file, (time.time() - hours * HOUR,) * 2)


@pytest.fixture
def table(tmp_path):
    return OfflineTable(tmp_path / "clicks_1", ["id"])


# --- upsert, append, delete, overwrite ---------------------------------------------------------


def test_a_table_that_was_never_written_is_empty(table):
    assert not table.exists()
    assert (table.version(), table.count(), table.size(), table.commits()) == (None, 0, (0, 0), [])
    assert table.delete(rows([1])) is None
    table.compact()
    table.add_columns([pa.field("more", pa.int64())])
    table.drop()
    assert not table.exists()


def test_an_upsert_of_new_keys_rewrites_no_file(table):
    table.upsert(rows(range(0, 100, 2)))
    first = set(table.files())
    beside = table.upsert(rows([1000, 1001]))
    between = table.upsert(rows([1, 3, 5]))
    assert first < set(table.files())
    assert (beside.inserted, beside.updated) == (2, 0)
    assert (between.inserted, between.updated) == (3, 0)
    assert stored(table) == dict.fromkeys([*range(0, 100, 2), 1, 3, 5, 1000, 1001], 0.0)


def test_an_upsert_rewrites_only_the_files_that_hold_its_keys(table):
    for start in (0, 100, 200):
        table.upsert(rows(range(start, start + 100)))
    before = {file.name: file.stat().st_mtime_ns for file in table.files()}
    commit = table.upsert(rows([150, 151, 999], value=1))
    after = {file.name: file.stat().st_mtime_ns for file in table.files()}
    kept = {name: before[name] for name in before if name in after}
    assert len(kept) == 2 and kept.items() <= after.items()
    assert len(after) == 4  # two kept, one rewritten, one new
    assert (commit.inserted, commit.updated, commit.deleted) == (1, 2, 0)
    assert stored(table) == dict.fromkeys(range(300), 0.0) | {150: 1.0, 151: 1.0, 999: 1.0}


def test_a_rewritten_file_keeps_its_narrow_range_of_keys(table):
    table.upsert(rows(range(100)))
    table.upsert(rows(range(100, 200)))
    table.upsert(rows([5, 105], value=1))
    for first in (0, 100):
        assert len(table.files(bounds={"id": (first, first + 99)})) == 1


def test_a_key_that_was_appended_twice_is_one_row_after_an_upsert(table):
    table.append(rows([1, 2]))
    table.append(rows([1, 3]))
    commit = table.upsert(rows([1], value=7))
    assert stored(table) == {1: 7.0, 2: 0.0, 3: 0.0}
    assert (commit.inserted, commit.updated) == (0, 1)


def test_a_key_that_is_in_one_file_twice_is_one_row_after_an_upsert(table):
    table.append(rows([1, 2, 1]))
    table.upsert(rows([1, 3], value=7))
    assert stored(table) == {1: 7.0, 2: 0.0, 3: 7.0}


def test_delete_removes_the_rows_and_leaves_other_files_alone(table):
    table.append(rows(range(10)))
    table.append(rows(range(10, 20)))
    before = set(table.files())
    commit = table.delete(pa.table({"id": [12, 13, 13, 99]}))
    assert commit.deleted == 2
    assert len(before & set(table.files())) == 1
    assert stored(table) == dict.fromkeys([*range(12), *range(14, 20)], 0.0)


def test_deleting_all_rows_of_a_file_drops_the_file(table):
    table.append(rows([1]))
    table.append(rows([2]))
    assert table.delete(rows([1])).deleted == 1
    assert len(table.files()) == 1
    assert table.delete(rows([1])) is None
    assert table.delete(rows([2])).deleted == 1
    assert table.files() == [] and table.count() == 0
    table.upsert(rows([3]))
    assert stored(table) == {3: 0.0}


def test_overwrite_replaces_all_rows_in_one_commit(table):
    table.upsert(rows(range(5)))
    commit = table.overwrite(rows([9], value=1))
    assert (commit.inserted, commit.deleted) == (1, 5)
    assert stored(table) == {9: 1.0}
    assert stored(table, commit.version - 1) == dict.fromkeys(range(5), 0.0)


@pytest.mark.parametrize("write", ["append", "upsert", "overwrite"])
def test_an_empty_batch_may_be_the_first_write_and_a_later_one(table, write):
    getattr(table, write)(rows([]))
    assert table.exists() and stored(table) == {}
    table.upsert(rows([1]))
    getattr(table, write)(rows([]))
    assert stored(table) == ({} if write == "overwrite" else {1: 0.0})
    table.upsert(rows([1, 2], value=1))
    assert stored(table) == {1: 1.0, 2: 1.0}


def test_a_large_arrival_is_written_as_files_of_the_usual_size(table, monkeypatch):
    monkeypatch.setattr(offline, "FILE_SIZE", 2**16)
    table.upsert(rows([0]))
    table.upsert(rows(range(50_000), value=1))
    assert len(table.files()) > 3
    assert stored(table) == dict.fromkeys(range(50_000), 1.0)


# --- transactions ------------------------------------------------------------------------------


@pytest.mark.parametrize("write", ["append", "upsert", "overwrite"])
def test_a_transaction_lands_once(table, write):
    table.append(rows([1]))
    assert getattr(table, write)(rows([1, 2], value=1), Transaction("run-1")) is not None
    version, before = table.version(), sorted(table.files())
    assert getattr(table, write)(rows([1, 2], value=2), Transaction("run-1")) is None
    assert (table.version(), sorted(table.files())) == (version, before)
    assert getattr(table, write)(rows([3]), Transaction("run-1", 2)) is not None
    assert getattr(table, write)(rows([4]), Transaction("run-2")) is not None


def test_a_transaction_is_remembered_after_compaction_and_checkpoints(table):
    table.append(rows([-1]), Transaction("first"))
    for number in range(45):
        table.append(rows([number]))
    table.compact(keep_hours=0)
    assert table.append(rows([-1]), Transaction("first")) is None
    assert stored(table) == dict.fromkeys(range(-1, 45), 0.0)


# --- columns -----------------------------------------------------------------------------------


def test_added_columns_are_null_in_rows_from_before(table):
    schema = pa.schema(
        [
            ("id", pa.int64()),
            ("note", pa.string()),
            ("when", pa.timestamp("us")),
            ("many", pa.list_(pa.struct([("a", pa.decimal128(9, 2))]))),
        ]
    )
    table.append(pa.table({"id": [1, 2]}))
    table.add_columns(list(schema)[1:])
    found = offline.sql(f"FROM {offline.scan(table.files(), schema)} ORDER BY id")
    assert found.to_pylist() == [
        {"id": 1, "note": None, "when": None, "many": None},
        {"id": 2, "note": None, "when": None, "many": None},
    ]
    new = {"id": 2, "note": "new", "when": datetime(2026, 1, 1), "many": [{"a": Decimal("1.50")}]}
    table.upsert(pa.Table.from_pylist([new], schema=schema))
    found = offline.sql(f"FROM {offline.scan(table.files(), schema)} ORDER BY id")
    assert found.schema == schema
    assert found.to_pylist() == [{"id": 1, "note": None, "when": None, "many": None}, new]


@pytest.mark.parametrize("write", ["append", "upsert", "overwrite"])
def test_a_writer_that_does_not_know_a_new_column_yet_leaves_it_null(table, write):
    table.append(rows([1]))
    table.add_columns([pa.field("note", pa.string())])
    table.add_columns([pa.field("note", pa.string())])  # again, after a crash
    getattr(table, write)(rows([1, 2] if write != "append" else [2], value=1))
    schema = pa.schema([("id", pa.int64()), ("value", pa.float64()), ("note", pa.string())])
    found = offline.sql(f"FROM {offline.scan(table.files(), schema)} ORDER BY id").to_pylist()
    assert [(row["id"], row["note"]) for row in found] == [(1, None), (2, None)]


def test_a_feature_may_be_called_what_duckdb_calls_its_own_columns(tmp_path):
    names = ["filename", "file", "rows", "leaving", "batch", "file_row_number", "id"]
    table = OfflineTable(tmp_path / "odd_1", ["filename", "leaving"])
    batch = pa.table({name: ["a", "b"] for name in names})
    table.upsert(batch)
    table.upsert(batch.slice(1).set_column(2, "rows", pa.array(["new"])))
    found = offline.sql(f"FROM {offline.scan(table.files(), batch.schema)} ORDER BY id")
    assert found["rows"].to_pylist() == ["a", "new"]
    assert table.delete(batch).deleted == 2


# --- tidying up --------------------------------------------------------------------------------


def test_small_files_are_merged_and_pinned_versions_stay_readable(tmp_path):
    pinned = [7]
    table = OfflineTable(tmp_path / "daily_1", ["id"], lambda: pinned)
    for day in range(60):
        table.upsert(rows([day]))
    assert len(table.files()) <= 30
    assert stored(table) == dict.fromkeys(range(60), 0.0)
    make_old(table.path, hours=400)
    table.compact(keep_hours=0)
    assert stored(table, 7) == dict.fromkeys(range(8), 0.0)
    assert stored(table) == dict.fromkeys(range(60), 0.0)
    with pytest.raises(FileNotFoundError, match="version 12 of daily_1 was cleaned up"):
        table.files(12)


def test_replaced_files_are_dropped_even_when_there_are_never_small_ones(table, monkeypatch):
    monkeypatch.setattr(offline, "KEEP_REPLACED_FILES", 0)
    table.upsert(rows(range(1000)))
    for day in range(100):
        table.upsert(rows(range(1000), value=day))
    assert len(table.files()) == 1
    assert len(list(table.path.glob("*.parquet"))) <= offline.TIDY_EVERY + 1
    assert stored(table) == dict.fromkeys(range(1000), 99.0)


def test_tidying_keeps_what_was_replaced_just_now_however_old_the_file(table):
    table.upsert(rows(range(10)))
    make_old(table.path, hours=400)
    before = table.version()
    table.upsert(rows([3], value=1))
    table.compact()
    assert stored(table, before) == dict.fromkeys(range(10), 0.0)


def test_tidying_removes_what_killed_processes_left_but_nothing_young(table):
    table.upsert(rows([1]))
    old, young = table.path / "part-old.parquet", table.path / "part-young.parquet"
    old.write_bytes(b"half a fi")
    make_old(table.path, hours=400)
    young.write_bytes(b"half a fi")
    table.compact()
    assert not old.exists() and young.exists()
    assert stored(table) == {1: 0.0}


def test_rows_are_stored_although_tidying_fails(table, monkeypatch, caplog):
    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(OfflineTable, "_compact", full)
    for day in range(20):
        table.upsert(rows([day]))
    assert "clicks_1 is written, but not tidied up: No space left" in caplog.text
    assert stored(table) == dict.fromkeys(range(20), 0.0)


def test_a_dropped_table_starts_anew_and_leaves_nothing(table):
    table.upsert(rows([1]))
    leftover = table.path.parent / ".partial-of-a-killed-process"
    leftover.mkdir()
    table.drop()
    assert not table.exists() and not leftover.exists()
    table.upsert(rows([2]))
    assert stored(table) == {2: 0.0}
    assert len(table.commits()) == 1


def test_a_folder_without_a_log_is_no_table_yet(table):
    table.path.mkdir()
    (table.path / "part-00000-of-a-killed-first-write.parquet").write_bytes(b"half")
    (table.path / "_delta_log").mkdir()
    assert not table.exists() and table.count() == 0
    table.upsert(rows([1]))
    assert stored(table) == {1: 0.0}


# --- history and other writers -----------------------------------------------------------------


def test_commits_are_listed_newest_first_with_their_rows(table):
    table.upsert(rows([1, 2]))
    table.upsert(rows([2, 3], value=1))
    table.delete(rows([1]))
    table.compact()
    table.overwrite(rows([5]))
    counts = [(c.inserted, c.updated, c.deleted) for c in table.commits()]
    assert counts == [(1, 0, 2), (0, 0, 1), (1, 1, 0), (2, 0, 0)]
    assert [c.version for c in table.commits(2)] == [c.version for c in table.commits()][:2]


def test_the_version_as_of_a_time_is_the_last_one_committed_by_then(table):
    first = table.upsert(rows([1]))
    second = table.upsert(rows([2]))
    assert table.version_as_of(first.committed_at - 1) is None
    assert table.version_as_of(second.committed_at) == second.version
    assert table.version_as_of(second.committed_at + 10**6) == second.version


def test_commits_of_other_delta_writers_are_listed_and_read(table):
    table.upsert(rows([1, 2]))
    uri = table.path.as_uri()
    write_deltalake(uri, rows([3]), mode="append")
    merge = DeltaTable(uri).merge(
        rows([3, 4], value=5), "t.id = s.id", source_alias="s", target_alias="t"
    )
    merge.when_matched_update_all().when_not_matched_insert_all().execute()
    DeltaTable(uri).update(predicate="id = 2", updates={"value": "8.0"})
    DeltaTable(uri).delete("id = 1")
    assert stored(table) == {2: 8.0, 3: 5.0, 4: 5.0}
    counts = [(c.inserted, c.updated, c.deleted) for c in table.commits()]
    assert counts == [(0, 0, 1), (0, 1, 0), (1, 1, 0), (1, 0, 0), (2, 0, 0)]
    table.upsert(rows([3, 9], value=6))
    assert stored(table) == {2: 8.0, 3: 6.0, 4: 5.0, 9: 6.0}
    assert sorted(DeltaTable(uri).to_pandas()["id"]) == [2, 3, 4, 9]


def test_strings_can_be_filtered_after_a_foreign_merge(tmp_path):
    table = OfflineTable(tmp_path / "names_1", ["name"])
    table.append(pa.table({"name": ["ada", "bo"]}))
    merge = DeltaTable(table.path.as_uri()).merge(
        pa.table({"name": ["cy"]}), "t.name = s.name", source_alias="s", target_alias="t"
    )
    merge.when_not_matched_insert_all().execute()
    source = offline.scan(table.files(), pa.schema([("name", pa.string())]))
    assert len(offline.sql(f"FROM {source} WHERE name = 'cy'")) == 1
    table.upsert(pa.table({"name": ["cy"]}))
    assert table.count() == 3


def test_delta_readers_see_the_same_rows(table):
    table.upsert(rows(range(100)))
    table.upsert(rows(range(50, 150), value=1))
    table.delete(rows([0]))
    found = DeltaTable(table.path.as_uri()).to_pandas()
    assert dict(zip(found["id"], found["value"], strict=True)) == stored(table)


# --- where a table may be ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", sorted(set(string.punctuation + " åß漢") - set("./") - offline.UNUSABLE)
)
def test_a_table_works_in_a_folder_with_any_character(tmp_path, name):
    folder = tmp_path / f"my {name} data"
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this system has no such file names")
    table = OfflineTable(folder / "t_1", ["id"])
    table.upsert(rows([1, 2]))
    table.upsert(rows([2, 3], value=1))
    table.delete(rows([1]))
    table.compact(keep_hours=0)
    assert stored(table) == {2: 1.0, 3: 1.0}
    assert len(list((folder / "t_1").glob("*.parquet"))) == len(table.files()) == 1


@pytest.mark.parametrize("name", ["a[b]", "50%20off", "a^b", "c#", "why?"])
def test_a_folder_that_delta_cannot_open_is_refused_by_name(tmp_path, name):
    with pytest.raises(UserError, match="name a folder without"):
        OfflineTable(tmp_path / name / "t_1", ["id"])


# --- pruning: never lose a row -----------------------------------------------------------------

# Kinds of key columns: type, and values that statistics get wrong most easily.
LONG = "x" * 70
KINDS = {
    "int": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "small int": (pa.int32(), st.integers(-5, 5)),
    "text": (pa.string(), st.text(st.characters(exclude_categories=["Cs"]), max_size=6)),
    "long text": (pa.string(), st.sampled_from([LONG + c for c in "abÿ\U0010ffff"] + ["x", "y"])),
    "odd text": (
        pa.string(),
        st.sampled_from(["", "'", '"', "a'b", "\\", "\n", "\0", "é", "\U00020000", "\U0010ffff"]),
    ),
    "time": (
        pa.timestamp("us"),
        st.integers(0, 4000).map(lambda us: datetime(2026, 1, 1) + timedelta(microseconds=us)),
    ),
    "any time": (pa.timestamp("us"), st.datetimes()),
    "day": (pa.date32(), st.dates(date(1, 1, 1), date(9999, 12, 31))),
    "truth": (pa.bool_(), st.booleans()),
    "float": (pa.float64(), st.floats(allow_nan=False)),
    "infinite": (pa.float64(), st.sampled_from([math.inf, -math.inf, 0.0, -0.0, 1.5])),
    "decimal": (
        pa.decimal128(38, 9),
        st.integers(10**28, 10**28 + 5).map(lambda n: Decimal(n).scaleb(-9)),
    ),
    "binary": (pa.binary(), st.binary(max_size=3)),
}


def batches_of(values):
    return st.lists(st.lists(values, max_size=6), min_size=1, max_size=6)


@pytest.mark.parametrize("key", ["\U0001f600", "\U00020000", "\U0010ffff"])
def test_a_key_with_a_rare_character_is_found_in_a_rewritten_file(tmp_path, key):
    table = OfflineTable(tmp_path / "t_1", ["key"])
    for number, keys in enumerate([[""], ["", key], [key]]):
        table.upsert(pa.table({"key": keys, "n": [number] * len(keys)}))
    assert table.count() == 2


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_is_found_again_whatever_its_type(tmp_path_factory, kind):
    type_, values = KINDS[kind]

    @SETTINGS
    @given(batches_of(values), st.integers(0, 6))
    def check(batches, merged_after):
        table = OfflineTable(tmp_path_factory.mktemp("t") / "t_1", ["key"])
        model = {}
        for number, keys in enumerate(batches):
            batch = {}
            for key in keys:
                batch.setdefault(key, key)
            column = pa.array(list(batch.values()), type_)
            note = pa.array([number] * len(batch), pa.int64())
            noise = pa.array([math.inf] * len(batch), pa.float64())
            table.upsert(pa.table({"key": column, "note": note, "noise": noise}))
            model |= dict.fromkeys(batch, number)
            if number == merged_after:
                table.compact()
        assert table.count() == len(model)
        schema = pa.schema([("key", type_), ("note", pa.int64())])
        if model:
            found = offline.sql(f"FROM {offline.scan(table.files(), schema)}").to_pylist()
            assert {row["key"]: row["note"] for row in found} == model

    check()


@pytest.mark.parametrize(
    "kind", ["int", "small int", "text", "long text", "time", "any time", "day"]
)
def test_a_read_within_bounds_skips_no_file_with_a_row_in_them(tmp_path_factory, kind):
    type_, values = KINDS[kind]

    @SETTINGS
    @given(batches_of(values), values, values, st.booleans())
    def check(batches, low, high, rewritten):
        table = OfflineTable(tmp_path_factory.mktemp("t") / "t_1", ["key", "n"])
        schema = pa.schema([("key", type_), ("n", pa.int64())])
        for number, keys in enumerate(batches):
            places = list(range(number * 10, number * 10 + len(keys)))
            batch = pa.table([pa.array(keys, type_), pa.array(places)], schema=schema)
            table.append(batch)
            if rewritten:  # by this module's own writer, which makes its own statistics
                table.upsert(batch)
        inside = f"WHERE key >= {_sql(low)} AND key <= {_sql(high)}"
        everything, pruned = table.files(), table.files(bounds={"key": (low, high)})
        full, some = (
            len(offline.sql(f"FROM {offline.scan(files, schema)} {inside}")) if files else 0
            for files in (everything, pruned)
        )
        assert full == some

    check()


def _sql(value):
    if isinstance(value, datetime):
        return f"TIMESTAMP '{value.isoformat(sep=' ')}'"
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, int):
        return f"CAST('{value}' AS BIGINT)"
    parts = [f"chr({ord(character)})" for character in value]  # any character, without quoting
    return f"concat('', {', '.join(parts)})" if parts else "''"


def test_statistics_are_those_of_key_columns_only_however_many_there_are(tmp_path):
    wide = {f"x{i}": [float(i)] for i in range(60)} | {"at": [datetime(2026, 1, 1)]}
    table = OfflineTable(tmp_path / "wide_1", ["at"])
    for day in range(3):
        table.append(pa.table(wide | {"at": [datetime(2026, 1, 1 + day)]}))
    assert len(table.files(bounds={"at": (datetime(2026, 1, 2), datetime(2026, 1, 2, 23))})) == 1
    entry = pa.table(DeltaTable(table.path.as_uri()).get_add_actions(flatten=True))
    assert {name for name in entry.column_names if name.startswith("min")} == {"min.at"}


# --- one process, many threads -----------------------------------------------------------------


def test_threads_write_and_read_one_table(table):
    def insert(number):
        table.upsert(rows(range(number * 10, number * 10 + 10), value=number))
        return len(stored(table)) % 10

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(insert, range(12))) == {0}
    assert stored(table) == {i: float(i // 10) for i in range(120)}


def test_times_with_a_zone_keep_their_instant(tmp_path):
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    table = OfflineTable(tmp_path / "zoned_1", ["at"])
    batch = pa.table({"at": pa.array([noon], pa.timestamp("us", "UTC")), "n": [1]})
    table.append(batch)
    table.upsert(batch.set_column(1, "n", pa.array([2])))
    assert table.count() == 1
    assert pc.max(pa.table(DeltaTable(table.path.as_uri()).to_pyarrow_table())["n"]).as_py() == 2
