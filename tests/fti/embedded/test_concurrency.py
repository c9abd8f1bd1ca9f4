"""Several processes work in one project at once."""

from itertools import chain
from pathlib import Path

import pandas as pd
import pytest

from fti.embedded.project import Project
from tests.fti.embedded.processes import FORK

BATCH = 50  # rows
WRITERS, BATCHES = 2, 8


def frame(ids, value):
    ids = list(ids)
    return pd.DataFrame(
        {
            "id": ids,
            "at": pd.Timestamp("2026-01-01") + pd.to_timedelta(ids, unit="s"),
            "value": [value] * len(ids),
        }
    )


def group(home):
    return (
        Project(home)
        .get_feature_store()
        .get_or_create_feature_group("clicks", version=1, primary_key=["id"], event_time="at")
    )


def rows_of(home):
    found = group(home).read()
    assert not found["id"].duplicated().any()
    return dict(zip(found["id"], found["value"], strict=True))


def at_once(target, *arguments_of_each):
    """Run a function in several processes that start together; give what each returned."""
    barrier, answers = FORK.Barrier(len(arguments_of_each)), FORK.SimpleQueue()
    processes = [
        FORK.Process(target=answering, args=(barrier, answers, number, target, arguments))
        for number, arguments in enumerate(arguments_of_each)
    ]
    for process in processes:
        process.start()
    given = dict(answers.get() for _ in processes)
    for process in processes:
        process.join()
    errors = [answer for answer in given.values() if isinstance(answer, BaseException)]
    if errors:
        raise errors[0]
    return [given[number] for number in range(len(processes))]


def answering(barrier, answers, number, target, arguments):
    barrier.wait()
    try:
        answers.put((number, target(*arguments)))
    except BaseException as error:  # noqa: BLE001 (the test raises it)
        answers.put((number, error))


# --- writers -----------------------------------------------------------------------------------


def insert_batches(home, starts, value):
    for start in starts:
        group(home).insert(frame(range(start, start + BATCH), value))


def test_processes_that_insert_different_keys_lose_none(tmp_path):
    group(tmp_path).insert(frame([10**6], 0))
    size = BATCH * BATCHES
    starts = [range(writer * size, (writer + 1) * size, BATCH) for writer in range(WRITERS)]
    at_once(insert_batches, *((tmp_path, each, n) for n, each in enumerate(starts)))
    expected = {i: i // size for i in range(WRITERS * size)} | {10**6: 0}
    assert rows_of(tmp_path) == expected
    commits = group(tmp_path).commit_details()
    assert sum(commit["rowsInserted"] for commit in commits.values()) <= len(expected)


def test_processes_that_insert_the_same_keys_end_in_one_of_the_two_orders(tmp_path):
    for _ in range(4):
        at_once(insert_batches, *((tmp_path, [0], value) for value in (1, 2)))
        rows = rows_of(tmp_path)
        assert rows in (dict.fromkeys(range(BATCH), 1), dict.fromkeys(range(BATCH), 2))


def test_processes_that_create_the_same_group_store_the_rows_of_each(tmp_path):
    for number in range(4):
        home = tmp_path / f"{number}"
        at_once(insert_batches, *((home, [writer * BATCH], writer) for writer in range(3)))
        assert rows_of(home) == {i: i // BATCH for i in range(3 * BATCH)}
        assert len(Project(home).get_feature_store().get_feature_groups("clicks")) == 1


def append_once(home, run):
    options = {"commit_properties": {"app_id": run, "version": 1}}
    group(home).insert(frame(range(BATCH), 1), operation="insert", write_options=options)


def test_a_run_that_was_started_twice_at_once_appends_once(tmp_path):
    group(tmp_path).insert(frame([10**6], 0))
    at_once(append_once, *[(tmp_path, "run-1")] * 3)
    assert len(group(tmp_path).read()) == BATCH + 1


# --- readers -----------------------------------------------------------------------------------


def read_until(home, last):
    """Read again and again until the last batch is there; give how many reads that took."""
    reads, seen = 0, set()
    while last not in seen:
        found = group(home).read()
        sizes = found.groupby("value").size()
        assert set(sizes) <= {BATCH}, f"half a batch: {sizes[sizes != BATCH].to_dict()}"
        assert seen <= set(sizes.index), "a batch went away again"
        assert not found["id"].duplicated().any()
        seen, reads = set(sizes.index), reads + 1
    return reads


def insert_then_merge(home, batches, keep_hours=None):
    for number in range(batches):
        group(home).insert(frame(range(number * BATCH, (number + 1) * BATCH), number))
        if number % 5 == 4:
            group(home).delta_vacuum(keep_hours)
    return batches


def rewrite(home, times):
    """Replace all rows by those of the next batch, again and again."""
    for number in range(1, times + 1):
        group(home).insert(frame(range(BATCH), number))


def read_rewritten(home, last):
    """Read until the last value is there; each read must see the rows of one batch only."""
    reads, value = 0, 0
    while value != last:
        found = group(home).read()
        assert len(found) == BATCH and found["value"].nunique() == 1
        assert found["value"][0] >= value
        reads, value = reads + 1, found["value"][0]
    return reads


def run(job, *arguments):
    return JOBS[job](*arguments)


JOBS = {
    "insert": insert_then_merge,
    "read": read_until,
    "rewrite": rewrite,
    "read rewritten": read_rewritten,
}


@pytest.mark.parametrize("keep_hours", [None, 0], ids=["kept a week", "dropped at once"])
def test_readers_see_whole_batches_while_others_insert_and_merge_files(tmp_path, keep_hours):
    group(tmp_path).insert(frame(range(BATCH), 0))
    batches = 40
    inserts = ("insert", tmp_path, batches, keep_hours)
    _, reads = at_once(run, inserts, ("read", tmp_path, batches - 1))
    assert reads > 1


def test_readers_see_one_batch_while_another_process_replaces_it(tmp_path):
    group(tmp_path).insert(frame(range(BATCH), 0))
    _, reads = at_once(run, ("rewrite", tmp_path, 40), ("read rewritten", tmp_path, 40))
    assert reads > 1


# --- models and the catalog --------------------------------------------------------------------


def save_models(home, source, times):
    registry = Project(home).get_model_registry()
    return [registry.python.create_model("titanic").save(source).version for _ in range(times)]


def test_processes_that_save_one_model_get_versions_of_their_own(tmp_path):
    for writer in range(2):
        folder = tmp_path / f"source-{writer}"
        folder.mkdir()
        (folder / "model.bin").write_bytes(bytes([writer]) * 10_000)
    home = tmp_path / "home"
    versions = at_once(save_models, *((home, str(tmp_path / f"source-{n}"), 5) for n in range(2)))
    assert sorted(chain(*versions)) == list(range(1, 11))
    registry = Project(home).get_model_registry()
    for writer, given in enumerate(versions):
        for version in given:
            files = Path(registry.get_model("titanic", version).download())
            assert (files / "model.bin").read_bytes() == bytes([writer]) * 10_000


def open_project(home):
    return Project(home).catalog.find("model")


def test_processes_open_a_new_project_at_once(tmp_path):
    for number in range(5):
        assert at_once(open_project, *[(tmp_path / f"{number}",)] * 5) == [[]] * 5
