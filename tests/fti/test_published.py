import datetime as dt
import json
import threading
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import fti
from fti import published
from fti.errors import UserError
from fti.published import PublishedError

TABLE = pd.DataFrame(
    {
        "passenger_id": [1, 2],
        "probability": [0.25, np.nan],
        "name": ["Astor", None],
        "predicted_at": pd.to_datetime(["2026-01-31 06:00", "2026-01-31 07:00"]),
    }
)


def test_a_table_comes_back_as_it_was(project):
    paths = fti.publish(project, "titanic", {"predictions.parquet": TABLE})
    assert paths == ["Resources/titanic/predictions.parquet"]
    assert_frame_equal(fti.read_published(project, "titanic", "predictions.parquet"), TABLE)


def test_all_three_kinds_are_published_at_once(project):
    report = "<!doctype html><p>Kiruna ☀</p>"
    fti.publish(
        project,
        "aurora",
        {"report.html": report, "forecast.json": {"kp": 5}, "hours.parquet": TABLE},
    )
    assert fti.read_published(project, "aurora", "report.html") == report
    assert fti.read_published(project, "aurora", "forecast.json") == {"kp": 5}
    assert published.published_files(project) == [
        "Resources/aurora/forecast.json",
        "Resources/aurora/hours.parquet",
        "Resources/aurora/report.html",
    ]


def test_what_is_published_again_replaces_what_was(project):
    for kp in (5, 6):
        fti.publish(project, "aurora", {"forecast.json": {"kp": kp}})
    assert fti.read_published(project, "aurora", "forecast.json") == {"kp": 6}


def test_json_is_strict_and_of_plain_values(project):
    numbers = {
        "nan": float("nan"),
        "infinite": np.inf,
        "float32": np.float32(0.5),
        "count": np.int64(3),
        "flag": np.bool_(True),
        "missing": pd.NA,
        "no_time": pd.NaT,
        "no_time_either": np.datetime64("NaT"),
        "array": np.array([[1, 2]]),
        "series": pd.Series([1.5, np.nan]),
        "naive": dt.datetime(2026, 1, 31, 6),
        "stamp": pd.Timestamp("2026-01-31 07:00", tz="Europe/Stockholm"),
        "datetime64": np.datetime64("2026-01-31T06:00"),
        "day": dt.date(2026, 1, 31),
        "tuple": (1, None),
        "text": "Åre",
        7: {"nested": np.float64("nan")},
    }
    fti.publish(project, "titanic", {"monitor.json": numbers})
    text = (project.home / "Resources" / "titanic" / "monitor.json").read_text(encoding="utf-8")
    found = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert found == {
        "nan": None,
        "infinite": None,
        "float32": 0.5,
        "count": 3,
        "flag": True,
        "missing": None,
        "no_time": None,
        "no_time_either": None,
        "array": [[1, 2]],
        "series": [1.5, None],
        "naive": "2026-01-31T06:00:00+00:00",
        "stamp": "2026-01-31T06:00:00+00:00",
        "datetime64": "2026-01-31T06:00:00+00:00",
        "day": "2026-01-31",
        "tuple": [1, None],
        "text": "Åre",
        "7": {"nested": None},
    }
    assert fti.read_published(project, "titanic", "monitor.json") == found


def test_a_table_as_json_is_a_list_of_rows(project):
    fti.publish(project, "titanic", {"predictions.json": TABLE})
    assert fti.read_published(project, "titanic", "predictions.json")[1] == {
        "passenger_id": 2,
        "probability": None,
        "name": None,
        "predicted_at": "2026-01-31T07:00:00+00:00",
    }


def test_finished_files_and_bytes_are_published_as_they_are(project, tmp_path):
    TABLE.to_parquet(tmp_path / "made.parquet", index=False)
    fti.publish(
        project,
        "titanic",
        {"a.parquet": tmp_path / "made.parquet", "b.json": b'{"a": 1}', "c.html": b"<p>c</p>"},
    )
    assert_frame_equal(fti.read_published(project, "titanic", "a.parquet"), TABLE)
    assert fti.read_published(project, "titanic", "b.json") == {"a": 1}
    assert fti.read_published(project, "titanic", "c.html") == "<p>c</p>"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("bad.json", '{"a": NaN}'),
        ("bad.json", b"{"),
        ("bad.parquet", b"PAR1"),
        ("bad.html", b"\xff\xfe"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_keeps_all_from_being_published(
    project, name, content
):
    with pytest.raises(PublishedError, match="bad"):
        fti.publish(project, "titanic", {"good.json": {}, name: content})
    assert published.published_files(project) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.parquet", {"a": 1}),
        ("a.json", 5),
        ("a.html", TABLE),
        ("a.json", {"a": Decimal(1)}),
        ("a.json", {"a": object()}),
    ],
)
def test_content_that_does_not_fit_the_name_is_refused(project, name, content):
    with pytest.raises(TypeError):
        fti.publish(project, "titanic", {name: content})
    assert published.published_files(project) == []


@pytest.mark.parametrize(
    "name",
    [
        "../other/report.html",
        "a/b.json",
        "a\\b.json",
        ".hidden.json",
        "report.pkl",
        "report",
        "",
        "a b.json",
        "a\n.json",
        "x" * 101 + ".json",
    ],
)
def test_names_are_plain(project, name):
    with pytest.raises(PublishedError, match="not the name of a published file"):
        fti.publish(project, "titanic", {name: {}})
    with pytest.raises(PublishedError, match="not the name of a published file"):
        fti.read_published(project, "titanic", name)


@pytest.mark.parametrize("use_case", ["", "..", "a/b", "Titanic", "../titanic", "a\n"])
def test_use_cases_are_plain(project, use_case):
    with pytest.raises(PublishedError, match="not the name of a use case"):
        fti.publish(project, use_case, {"a.json": {}})
    with pytest.raises(PublishedError, match="not the name of a use case"):
        fti.read_published(project, use_case, "a.json")


def test_what_was_not_published_yet_names_the_command(project):
    with pytest.raises(UserError) as error:
        fti.read_published(project, "titanic", "monitor.json")
    assert str(error.value) == (
        "titanic has not published monitor.json yet: run `python -m titanic`."
    )


def test_a_file_that_is_too_large_is_not_read(project):
    fti.publish(project, "titanic", {"report.html": "x" * 2000})
    with pytest.raises(PublishedError, match="2,000 bytes, more than the 1,999 allowed"):
        fti.read_published(project, "titanic", "report.html", max_bytes=1999)
    assert len(fti.read_published(project, "titanic", "report.html", max_bytes=2000)) == 2000


def test_a_reader_sees_one_file_or_the_other_never_half(project):
    pages = {"a" * 300_000, "b" * 200_000}
    done = threading.Event()

    def write():
        for _ in range(10):
            for page in sorted(pages):
                fti.publish(project, "titanic", {"report.html": page})
        done.set()

    fti.publish(project, "titanic", {"report.html": min(pages)})
    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        assert fti.read_published(project, "titanic", "report.html") in pages
    writer.join()


def test_uploads_that_are_not_one_step_go_beside_and_are_moved(project, tmp_path):
    api = project.get_dataset_api()
    fti.publish(project, "titanic", {"a.json": {"a": 1}})
    for name, content in (("a.json", '{"a": 2}'), ("b.json", "{}")):
        (tmp_path / name).write_text(content)
    made = [tmp_path / "a.json", tmp_path / "b.json"]
    assert published._upload_aside(api, made, "Resources/titanic") == [
        "Resources/titanic/a.json",
        "Resources/titanic/b.json",
    ]
    assert fti.read_published(project, "titanic", "a.json") == {"a": 2}
    assert published._names(api, "Resources/titanic") == ["a.json", "b.json"]


def test_an_upload_that_fails_half_way_leaves_what_was(project, tmp_path):
    api = project.get_dataset_api()
    fti.publish(project, "titanic", {"a.json": {"a": 1}})
    (tmp_path / "a.json").write_text('{"a": 2}')
    made = [tmp_path / "a.json", tmp_path / "absent.json"]
    with pytest.raises(FileNotFoundError):
        published._upload_aside(api, made, "Resources/titanic")
    assert fti.read_published(project, "titanic", "a.json") == {"a": 1}
    assert published._names(api, "Resources/titanic") == ["a.json"]
