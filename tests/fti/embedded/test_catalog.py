"""The catalog: entries by kind, name and version, written by many at the same time."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from fti.embedded.catalog import AlreadyExists, Catalog


@pytest.fixture
def catalog(tmp_path):
    return Catalog(tmp_path / "catalog.sqlite")


def test_an_entry_is_found_by_kind_name_and_version(catalog):
    added = catalog.add("model", "flowers", 3, {"metrics": {"f1": 0.5}})
    assert catalog.get("model", "flowers", 3) == added
    assert catalog.get("model", "flowers", 1) is None
    assert catalog.get("feature_group", "flowers", 3) is None
    assert catalog.find("model") == catalog.find("model", "flowers") == [added]


def test_entries_come_by_name_and_version(catalog):
    for name, version in (("b", 1), ("a", 10), ("a", 2)):
        catalog.add("model", name, version, {})
    assert [(e.name, e.version) for e in catalog.find("model")] == [("a", 2), ("a", 10), ("b", 1)]


def test_a_version_is_taken_once(catalog):
    catalog.add("model", "flowers", 1, {"kept": True})
    with pytest.raises(AlreadyExists, match="model flowers version 1 exists already"):
        catalog.add("model", "flowers", 1, {})
    assert catalog.get("model", "flowers", 1).document == {"kept": True}


def test_a_change_is_made_to_what_is_stored_now(catalog):
    first = catalog.add("model", "flowers", 1, {"tags": {}})
    second = catalog.get("model", "flowers", 1)
    catalog.update(first, lambda document: document["tags"].update(a=1))
    catalog.update(second, lambda document: document["tags"].update(b=2))
    assert second.document == catalog.get("model", "flowers", 1).document
    assert second.document == {"tags": {"a": 1, "b": 2}}


def test_a_change_that_fails_changes_nothing(catalog):
    entry = catalog.add("model", "flowers", 1, {"tags": {}})

    def fail(document):
        document["tags"]["half"] = True
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        catalog.update(entry, fail)
    with pytest.raises(TypeError, match="not JSON serializable"):
        catalog.update(entry, lambda document: document.update(tags=object()))
    assert catalog.get("model", "flowers", 1).document == entry.document == {"tags": {}}


def test_a_removed_entry_is_not_changed(catalog):
    entry = catalog.add("model", "flowers", 1, {})
    catalog.remove(entry)
    assert catalog.find("model") == []
    with pytest.raises(LookupError, match="model flowers version 1 was deleted"):
        catalog.update(entry, lambda document: None)


def test_adders_at_the_same_time_get_a_version_each(tmp_path):
    def add(number):
        catalog = Catalog(tmp_path / "catalog.sqlite")
        return catalog.add("model", "flowers", None, {"number": number}).version

    with ThreadPoolExecutor(8) as pool:
        versions = list(pool.map(add, range(40)))
    assert sorted(versions) == list(range(1, 41))


def test_changes_at_the_same_time_all_last(tmp_path):
    Catalog(tmp_path / "catalog.sqlite").add("model", "flowers", 1, {"tags": {}})

    def tag(number):
        catalog = Catalog(tmp_path / "catalog.sqlite")
        entry = catalog.get("model", "flowers", 1)
        catalog.update(entry, lambda document: document["tags"].update({str(number): number}))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(tag, range(40)))
    found = Catalog(tmp_path / "catalog.sqlite").get("model", "flowers", 1)
    assert sorted(found.document["tags"].values()) == list(range(40))


def test_a_reader_does_not_wait_for_a_writer(catalog):
    catalog.add("model", "flowers", 1, {})
    with closing(sqlite3.connect(catalog.path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM entries")
        assert len(Catalog.find(catalog, "model")) == 1
        writer.execute("ROLLBACK")


def test_the_file_of_a_newer_program_is_refused(catalog):
    with closing(sqlite3.connect(catalog.path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(RuntimeError, match=r"layout 99.*update the program"):
        Catalog(catalog.path)
