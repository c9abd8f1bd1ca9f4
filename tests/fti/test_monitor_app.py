"""A monitor says what was published, how old it is, and what it does not know."""

import datetime as dt
import json
import re
from dataclasses import replace
from html import escape

import gradio as gr
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fti
from fti import monitor, monitor_app, ui
from fti.classification import Task
from fti.models import ModelFiles
from fti.monitor import Shown
from fti.monitor_app import View

DAY = dt.date(2026, 1, 31)
EVIL = "<img src=x onerror=alert(1)> & 'co'"
COINS = Task(
    use_case="coins", entity="coin", entities="coins", label="side", recipe="coins-1",
    outcomes={0: "heads", 1: "tails"},
)  # fmt: skip
FRUIT = Task(
    use_case="fruit", entity="fruit", entities="fruits", label="kind", recipe="fruit-1",
    outcomes={"apple": "apples", "fig": "figs", "pear": "pears"},
)  # fmt: skip
SHOWN = Shown(
    title="Which side",
    drift_columns=("width",),
    describe=lambda rows: {"mint": rows["mint"], "coin_width": rows["width"]},
    groups=lambda rows: {"size": rows["width"].gt(5).map({True: "large", False: "small"})},
    models={"majority": "always the same guess"},
)
VIEW = View(
    task=COINS,
    shown=SHOWN,
    picture=lambda row: f"<svg data-width='{row['width']}'></svg>",
    outcome=lambda side: f"<svg data-side='{side:g}'></svg>",
)
SCORES = {"accuracy": 0.8, "auc": 0.9, "log_loss": 0.4, "brier": 0.1}
RECORD = {
    "recipe": "coins-1", "model": "by_width", "rows": 60, "data": "0123456789abcdef",
    "date": "2026-01-30", "training_dataset_version": 1, "repeats": 10,
    "verdict": "accepted: no version to beat yet", "baselines": {"majority": SCORES},
}  # fmt: skip


def coins(n=60, synthetic=False):
    """Coins, every other one wide; those are tails but for every fifth; the newest is unknown."""
    numbers = np.arange(n)
    sides = ((numbers % 2) ^ (numbers % 10 == 9)).astype("float64")
    sides[-1] = np.nan
    return pd.DataFrame(
        {
            "coin_id": numbers + 1000 * synthetic,
            "recorded_at": pd.Timestamp("2026-01-01") + pd.to_timedelta(numbers, "min"),
            "width": 3.0 + 4.0 * (numbers % 2),
            "mint": [f"mint {k}" for k in numbers],
            "side": sides,
            "is_synthetic": synthetic,
        }
    )


def predicted(table, version=2, day=DAY):
    """A prediction of each coin: wide ones are tails."""
    wide = table["width"] > 5
    return pd.DataFrame(
        {
            "coin_id": table["coin_id"],
            "model_version": version,
            "predicted_at": pd.Timestamp(day),
            "probability": wide.map({True: 0.75, False: 0.25}),
            "predicted": wide.astype("int64"),
            "is_synthetic": table["is_synthetic"],
        }
    )


@pytest.fixture
def publish(project, tmp_path):
    """A function that publishes what the monitor says of coins and their predictions."""
    (tmp_path / "training.json").write_text(json.dumps(RECORD))
    model = ModelFiles(
        name="coins", version=2, folder=tmp_path, metrics=SCORES, manifest={}, created=None
    )

    def publish(table, predictions, date=DAY):
        files = monitor.files(COINS, SHOWN, model, table, predictions, date)
        fti.publish(project, "coins", files)

    return publish


@pytest.fixture
def reader(project, publish):
    """Reads a project in which 60 real coins and 20 synthetic ones are published."""
    table = pd.concat([coins(), coins(20, synthetic=True)], ignore_index=True)
    publish(table, predicted(table))
    return ui.Reader(project, ttl=0)


def look(reader, kind="real", wanted="all", text="", view=VIEW):
    return monitor_app.contents(reader, view, kind, wanted, text)


def words(html):
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def lines_of(table):
    """How many lines the table of newest rows has."""
    return table.count("<tr>") - 1


def test_an_empty_project_says_what_to_run(project):
    head, more, *rest = look(ui.Reader(project))
    assert "Nothing here yet. coins has not published monitor.json yet" in words(head)
    assert (more, rest) == (False, ["", "", ""])


def test_an_unreachable_project_is_not_called_empty(project):
    project.home.rename(project.home.with_name("away"))
    head, more, *_ = look(ui.Reader(project))
    assert "Cannot be reached. The project did not answer" in words(head) and not more


def test_results_of_another_version_of_the_code_are_called_so(project, reader):
    fti.publish(project, "coins", {"monitor.json": {"use_case": "coins"}})
    head, more, *_ = look(reader)
    assert "made by another version of the code" in words(head) and not more


def test_while_the_project_is_silent_the_older_results_stay(project, reader):
    _, more, *before = look(reader)
    project.home.rename(project.home.with_name("away"))
    head, still, *after = look(reader)
    assert more and still and before == after
    assert re.search(r"did not answer at .* What is shown was read at .* UTC", words(head))


@pytest.mark.parametrize("kind", ["real", "synthetic"])
def test_real_and_synthetic_rows_are_never_mixed_and_always_named(reader, kind):
    _, _, top, table, _ = look(reader, kind)
    n = {"real": 60, "synthetic": 20}[kind]
    assert f"Latest {kind} coin" in top and f"{kind.capitalize()} coins" in top
    assert ("never train a model" in top) == (kind == "synthetic")
    assert lines_of(table) == n and f"{n} of {n} coins" in table


def test_the_latest_row_shows_its_prediction_while_its_outcome_is_pending(reader):
    top = look(reader)[2]
    assert "<svg data-width='7.0'>" in top and "data-side" not in top
    assert "predicted probability: tails: 75%" in top
    for name, value in {"mint": "mint 59", "coin width": "7.0", "outcome": "not known yet"}.items():
        assert f"<dt>{name}</dt><dd>{value}</dd>" in top
    assert "59 1 pending" in words(top)


@pytest.mark.parametrize(("side", "word"), [(1.0, "right"), (0.0, "wrong")])
def test_a_known_outcome_is_drawn_and_compared(project, publish, side, word):
    table = coins().fillna({"side": side})
    publish(table, predicted(table))
    top = look(ui.Reader(project))[2]
    assert f"data-side='{side:g}'" in top and f">{word}</span>" in top


def test_without_outcomes_there_are_counts_and_no_scores(project, publish):
    table = coins().assign(side=np.nan)
    publish(table, predicted(table))
    _, _, top, table, _ = look(ui.Reader(project))
    assert "60 predictions by version 2, no outcome known yet" in top and "matrix" not in top
    assert lines_of(table) == 60


def test_a_kind_without_rows_says_so(project, publish):
    publish(coins(), predicted(coins()))
    _, more, top, table, _ = look(ui.Reader(project), "synthetic")
    assert more and "There are no synthetic coins" in top and "No such coins" in table


@pytest.mark.parametrize(
    ("wanted", "text", "n"),
    [
        ("right", "", 54), ("wrong", "", 5), ("pending", "", 1), ("all", " MINT 59 ", 1),
        ("all", "mint 5", 11), ("wrong", "mint 4", 1), ("all", "m.nt", 0), ("all", "(", 0),
    ],
)  # fmt: skip
def test_the_table_keeps_rows_by_verdict_and_by_their_words(reader, wanted, text, n):
    table = look(reader, wanted=wanted, text=text)[3]
    assert max(lines_of(table), 0) == n


def test_a_long_table_says_how_much_of_it_is_shown(project, publish):
    publish(coins(250), predicted(coins(250)))
    table = look(ui.Reader(project))[3]
    assert lines_of(table) == monitor_app.ROWS and "100 of 250 coins, newest first" in table


def test_words_from_data_are_shown_as_text(project, publish):
    table = coins().assign(mint=EVIL)
    publish(table, predicted(table))
    page = "".join(part for part in look(ui.Reader(project)) if isinstance(part, str))
    assert "<img" not in page and page.count(escape(EVIL)) == 61


def test_versions_are_drawn_over_time_beside_the_majority(project, publish):
    table = coins()
    days = [dt.date(2026, 1, 29), dt.date(2026, 1, 30), DAY]
    older = [predicted(table.iloc[k : k + 30], 1, days[k // 30]) for k in (0, 30)]
    publish(table, pd.concat([*older, predicted(table)], ignore_index=True))
    top = look(ui.Reader(project))[2]
    points = [line.split() for line in re.findall(r'points="([^"]*)"', top)]
    assert [len(line) for line in points] == [1, 3, 3]  # version 2, majority, version 1
    assert "version 2 0.915" in top and "majority 0.593" in top and "version 1 0.915" in top
    assert "On the 59 coins that both versions predicted" in top


def test_the_model_is_shown_beside_what_is_simpler(reader):
    bottom = words(look(reader)[4])
    for said in ("coins version 2", "by_width", "SHA-256 0123456789ab...", "always the same guess"):
        assert said in bottom
    assert "newest 20 synthetic coins against 60 real ones" in bottom


def test_several_labels_are_shown_as_bars():
    row = {"p_apple": 0.25, "p_fig": 0.7, "p_pear": 0.05, "predicted": "fig"}
    drawn = monitor_app._probability(FRUIT, row)
    assert words(drawn) == "apples 25% figs 70% pears 5%" and "<b>figs</b>" in drawn


@pytest.mark.parametrize(
    ("now", "word"),
    [
        ("2026-01-31T23:59+00:00", "up to date"),
        ("2026-02-01T01:30+02:00", "up to date"),
        ("2026-02-01T00:00+00:00", "next run due"),
        ("2026-02-02T00:00+00:00", "out of date"),
    ],
)
def test_a_badge_says_whether_the_run_to_expect_has_come(now, word):
    fresh = monitor.freshness(DAY, None)
    said = words(monitor_app.freshness(fresh, dt.datetime.fromisoformat(now)))
    assert said == f"{word} Newest run: 2026-01-31. Next one expected after 2026-02-01 00:00 UTC."


def test_a_page_is_sent_only_what_changed():
    first = monitor_app.news(["head", False, "top"], [])
    assert first[:3] == ["head", gr.update(visible=False), "top"]
    again = monitor_app.news(["head", True, "top"], first[-1])
    assert again[:3] == [gr.skip(), gr.update(visible=True), gr.skip()]


def test_metrics_are_the_published_numbers(project, reader):
    found = monitor_app.read_metrics(reader, COINS, "synthetic")
    published = fti.read_published(project, "coins", "monitor.json")
    assert (found["kind"], found["predictions"]) == ("synthetic", 20)
    assert found["model"] == published["model"] and found["drift"] == published["drift"]
    assert found["problem"] is None and published["synthetic"].items() <= found.items()


def test_metrics_refuse_in_one_sentence(project):
    for kind, said in {"both": "one of real, synthetic", "real": "has not published"}.items():
        with pytest.raises(gr.Error, match=said):
            monitor_app.read_metrics(ui.Reader(project), COINS, kind)


@given(st.lists(st.none() | st.text("=+-@\t\r'a1"), min_size=1))
def test_no_text_of_a_csv_is_a_formula(texts):
    table = pd.DataFrame({"n": [-1.5] * len(texts), "text": pd.Series(texts, dtype=object)})
    safe = monitor_app.without_formulas(table)
    assert list(safe["n"]) == [-1.5] * len(texts)
    for given_text, text in zip(texts, safe["text"], strict=True):
        assert text is None or not text.startswith(monitor_app.FORMULA)
        assert text in (given_text, f"'{given_text}")


def test_a_csv_holds_the_rows_that_were_asked_for(project, reader, tmp_path):
    rows = fti.read_published(project, "coins", "monitor.parquet")
    paths = [monitor_app._write_csv(tmp_path / "cache", "coins.csv", rows) for _ in range(2)]
    assert len(set(paths)) == 2  # a visitor never gets another one's file
    read = pd.read_csv(paths[0], parse_dates=["predicted_at", "recorded_at"])
    pd.testing.assert_frame_equal(read, rows, check_dtype=False)


def test_a_view_may_leave_the_outcome_undrawn(project, publish):
    table = coins().fillna({"side": 1.0})
    publish(table, predicted(table))
    assert "data-side" not in look(ui.Reader(project), view=replace(VIEW, outcome=None))[2]
