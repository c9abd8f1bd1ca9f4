"""Kill a process in the middle of a write, at many moments, and look at what it left behind.

The moments are counted, not timed: the n-th line of this package that the writer runs, the n-th
byte of a file it writes, the n-th file it makes and the n-th tick of its processor time. The last
three lie inside delta-rs, DuckDB and SQLite.
"""

import os
import random
import shutil
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fti.embedded import offline
from fti.embedded.files import TEMPORARY
from fti.embedded.project import Project
from tests.fti.embedded.processes import FORK

if sys.platform == "win32":
    pytest.skip("needs POSIX signals and limits", allow_module_level=True)

import resource

PACKAGE = str(Path(offline.__file__).parent)
ROWS = 10_000  # so many that a data file is larger than any file of the catalog
TICK = 0.004  # seconds of processor time between two looks of the kernel at its timers


def frame(ids, value):
    ids = list(ids)
    return pd.DataFrame(
        {
            "id": ids,
            "at": pd.Timestamp("2026-01-01") + pd.to_timedelta(ids, unit="s"),
            "value": [float(value)] * len(ids),
            "noise": np.random.default_rng(len(ids)).random(len(ids)),
        }
    )


def group(project):
    return project.get_feature_store().get_or_create_feature_group(
        "clicks", version=1, primary_key=["id"], event_time="at"
    )


def rows_of(project):
    """The stored rows of the group as {id: value}, None while there is no such group."""
    known = project.get_feature_store().get_feature_groups("clicks")
    if not known:
        return None
    found = known[0].read()
    assert not found["id"].duplicated().any()
    return dict(zip(found["id"], found["value"], strict=True))


# --- the moments -------------------------------------------------------------------------------


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def at_line(number, home):
    """Die before the n-th line of fti.embedded that runs from now on."""
    left = iter(range(number))

    def trace(code, event, _):
        if not code.f_code.co_filename.startswith(PACKAGE):
            return None
        if event == "line" and next(left, None) is None:
            die()
        return trace

    sys.settrace(trace)


def at_byte(number, home):
    """Die when a file grows beyond n bytes; what was written so far stays."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (number, number))


def at_file(number, home):
    """Die as soon as there are n files or folders more than now."""
    start = sum(1 for _ in home.rglob("*"))

    def watch():
        while sum(1 for _ in home.rglob("*")) < start + number:
            pass
        die()

    threading.Thread(target=watch, daemon=True).start()


def at_tick(number, home):
    """Die after n ticks of processor time, in whatever code that is."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, number * TICK)


# --- what the processes do when they die -------------------------------------------------------


@dataclass(frozen=True)
class Story:
    """A write: what was there (`prepare`), what is done (`act`) and what then is there."""

    prepare: object
    act: object
    before: object
    after: object


def nothing(project):
    pass


def three_files(project):
    for start in range(3):
        group(project).insert(frame(range(start * ROWS, (start + 1) * ROWS), value=start))


def many_small_files(project):
    for day in range(offline.SMALL_FILES - 1):
        group(project).insert(frame([day], value=day))


def replaced_files(project):
    three_files(project)
    for value in (7, 8):
        group(project).insert(frame(range(0, 3 * ROWS, 1000), value=value))
    for file in group(project)._table.path.glob("*.parquet"):
        os.utime(file, (0, 0))


def insert(ids, value, **options):
    batch = frame(ids, value)
    return lambda project: group(project).insert(batch, **options)


def expected(ids, value):
    return dict.fromkeys(ids, float(value))


THREE = {i: float(i // ROWS) for i in range(3 * ROWS)}
DAYS = {day: float(day) for day in range(offline.SMALL_FILES - 1)}
NEW = range(ROWS, ROWS + 100)
ONCE = {"commit_properties": {"app_id": "run-1", "version": 1}}
SPREAD = [*range(0, 2 * ROWS, 500), *range(5 * ROWS, 6 * ROWS)]

STORIES = {
    "first insert": Story(nothing, insert(range(ROWS), 5), [None, {}], expected(range(ROWS), 5)),
    "append": Story(
        three_files,
        insert(range(4 * ROWS, 5 * ROWS), 5, operation="insert", write_options=ONCE),
        [THREE],
        THREE | expected(range(4 * ROWS, 5 * ROWS), 5),
    ),
    "upsert": Story(three_files, insert(SPREAD, 5), [THREE], THREE | expected(SPREAD, 5)),
    "overwrite": Story(
        three_files, insert(NEW, 5, overwrite=True), [THREE], expected(NEW, 5)
    ),
    "remove rows": Story(
        three_files,
        lambda project: group(project).remove_rows(frame(SPREAD, 0)),
        [THREE],
        {i: value for i, value in THREE.items() if i not in set(SPREAD)},
    ),
    "insert that merges files": Story(
        many_small_files, insert([900], 5), [DAYS], DAYS | expected([900], 5)
    ),
    "vacuum": Story(
        replaced_files,
        lambda project: group(project).delta_vacuum(0),
        [THREE | expected(range(0, 3 * ROWS, 1000), 8)],
        THREE | expected(range(0, 3 * ROWS, 1000), 8),
    ),
}  # fmt: skip


def doomed(home, story, arm, number, lines):
    project = Project(home)
    group(project)  # not with the first file that SQLite makes
    if arm is None:
        lines.value = count_lines(lambda: STORIES[story].act(project))
        return
    arm(number, home)
    STORIES[story].act(project)
    os._exit(0)  # done before that moment


def count_lines(act):
    seen = []

    def trace(code, event, _):
        if not code.f_code.co_filename.startswith(PACKAGE):
            return None
        seen.append(1) if event == "line" else None
        return trace

    sys.settrace(trace)
    act()
    sys.settrace(None)
    return len(seen)


def run_and_kill(target, *arguments):
    process = FORK.Process(target=target, args=arguments)
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL, -signal.SIGXFSZ, -signal.SIGPROF)
    return process.exitcode != 0


def moments(lines, seed):
    """Moments all over a write, other ones for each seed."""
    chance = random.Random(seed)
    yield from ((at_line, chance.randrange(i, i + 8)) for i in range(0, lines, max(8, lines // 7)))
    yield from ((at_byte, n) for n in (0, 1, 40_000, chance.randrange(50_000, 100_000)))
    yield from ((at_file, n) for n in (1, 2, 3))
    yield from ((at_tick, n) for n in (1, chance.randrange(2, 8)))


@pytest.mark.parametrize("story", STORIES)
def test_a_killed_write_leaves_the_old_rows_or_the_new_and_can_be_repeated(tmp_path, story):
    told = STORIES[story]
    origin = tmp_path / "origin"
    told.prepare(Project(origin))
    shutil.copytree(origin, tmp_path / "counted")
    lines = FORK.Value("i", 0)
    assert not run_and_kill(doomed, tmp_path / "counted", story, None, 0, lines)

    killed = 0
    for number, (arm, at) in enumerate(moments(lines.value, seed=story)):
        home = tmp_path / f"{number}"
        shutil.copytree(origin, home)
        killed += run_and_kill(doomed, home, story, arm, at, lines)
        found = rows_of(Project(home))
        assert found == told.after or found in told.before, f"killed {arm.__name__} {at}"
        told.act(Project(home))
        assert rows_of(Project(home)) == told.after, f"repeated after {arm.__name__} {at}"
        check_tidied(Project(home), told.after)
        shutil.rmtree(home)
    assert killed > 8


def check_tidied(project, rows):
    """What the killed process left goes with the next vacuum, once it is old enough."""
    table = group(project)._table
    long_ago = time.time() - 30 * 24 * 3600
    for file in table.path.glob("*.parquet"):
        os.utime(file, (long_ago, long_ago))
    table.compact(keep_hours=0)
    assert sorted(table.path.glob("*.parquet")) == sorted(table.files())
    assert rows_of(project) == rows


# --- deleting a group --------------------------------------------------------------------------


def delete(home, arm, number, lines):
    project = Project(home)
    known = group(project)
    if arm is None:
        lines.value = count_lines(known.delete)
        return
    arm(number, home)
    known.delete()


def test_rows_of_a_group_whose_deletion_was_killed_never_come_back(tmp_path):
    origin = tmp_path / "origin"
    three_files(Project(origin))
    shutil.copytree(origin, tmp_path / "counted")
    lines = FORK.Value("i", 0)
    assert not run_and_kill(delete, tmp_path / "counted", None, 0, lines)
    for at in range(1, lines.value, 2):
        home = tmp_path / f"{at}"
        shutil.copytree(origin, home)
        assert run_and_kill(delete, home, at_line, at, lines)
        found = rows_of(Project(home))
        assert found in (None, {}, THREE)
        if found is not None:
            group(Project(home)).delete()
        group(Project(home)).insert(frame([1], value=9))
        assert rows_of(Project(home)) == {1: 9.0}
        group(Project(home)).delete()
        assert [path.name for path in (home / "projects/local/offline").iterdir()] == [
            "clicks_1.lock"
        ]
        shutil.rmtree(home)


# --- models ------------------------------------------------------------------------------------


def model_files(folder, version):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.bin").write_bytes(bytes([version]) * 100_000)
    (folder / "sub").mkdir(exist_ok=True)
    (folder / "sub" / "columns.json").write_text(f'["x{version}"]')
    return folder


def save(home, source):
    model = (
        Project(home)
        .get_model_registry()
        .python.create_model("titanic", metrics={"f1": 0.5}, input_example=[1, 2])
    )
    return model.save(str(source))


def save_and_die(home, source, arm, number, lines):
    registry = Project(home).get_model_registry()
    registry.get_models("titanic")
    if arm is None:
        lines.value = count_lines(lambda: save(home, source))
        return
    arm(number, home)
    save(home, source)
    os._exit(0)


def check_models(home, latest):
    models = Project(home).get_model_registry().get_models("titanic")
    assert [model.version for model in models] == list(range(1, latest + 1))
    for model in models:
        files = Path(model.download())  # verifies each file's checksum
        assert (files / "model.bin").read_bytes() == bytes([min(model.version, 2)]) * 100_000
        assert (files / "sub" / "columns.json").exists()


def test_a_killed_save_of_a_model_leaves_whole_versions_and_can_be_repeated(tmp_path):
    origin = tmp_path / "origin"
    save(origin, model_files(tmp_path / "v1", 1))
    second = model_files(tmp_path / "v2", 2)
    shutil.copytree(origin, tmp_path / "counted")
    lines = FORK.Value("i", 0)
    assert not run_and_kill(save_and_die, tmp_path / "counted", second, None, 0, lines)

    ticks = [(at_tick, n) for n in range(1, 4)]
    for number, (arm, at) in enumerate(
        [*((at_line, n) for n in range(0, lines.value, 6))]
        + [(at_byte, n) for n in (0, 10, 33_000, 99_999)]
        + [*((at_file, n) for n in range(1, 7)), *ticks]
    ):
        home = tmp_path / f"{number}"
        shutil.copytree(origin, home)
        run_and_kill(save_and_die, home, second, arm, at, lines)
        there = len(Project(home).get_model_registry().get_models("titanic"))
        assert there in (1, 2), f"killed {arm.__name__} {at}"
        check_models(home, latest=there)
        assert save(home, second).version == there + 1
        check_models(home, latest=there + 1)
        left = {path.name for path in (home / "projects/local/Models/titanic").iterdir()}
        assert left <= {str(version + 1) for version in range(there + 1)} | {".lock"}
        assert not list(home.rglob(f"{TEMPORARY}*"))
        shutil.rmtree(home)
