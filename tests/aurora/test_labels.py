"""A folder of keograms becomes one table; what is done stays done, what is broken is named."""

import io
from datetime import date

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from aurora import labels, sites
from aurora.label_rules import RULES
from fti.errors import UserError

HTML = b"<html><head><title>404 Not Found</title></head></html>"
KIRUNA = sites.find("kiruna")
GREEN, GREY = (40, 150, 60), (110, 110, 110)


def png(green_hours=()):
    """Give a grey night with some green hours, counted from noon."""
    pixels = np.zeros((360, 5760), dtype=np.uint8)
    for hour in green_hours:
        pixels[:, 240 * hour : 240 * hour + 240] = 1
    picture = Image.frombytes("P", (5760, 360), pixels.tobytes())
    picture.putpalette(bytes(GREY + GREEN))
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


NIGHT, QUIET = png([8, 9]), png()


@pytest.fixture
def folder(tmp_path):
    """Two nights of January and a page that only has the name of a picture."""
    made = tmp_path / "keograms"
    made.mkdir()
    (made / "20210110.png").write_bytes(QUIET)
    (made / "20210111.png").write_bytes(NIGHT)
    (made / "20210503.png").write_bytes(HTML)
    return made


@pytest.fixture
def out(tmp_path):
    return tmp_path / "made" / "labels.parquet"


def run(folder, out, rule=labels.Rule.night, jobs=1):
    """Run the command and give its table."""
    labels.main(folder, rule, out, jobs, "kiruna")
    return labels.stored(out, rule, "kiruna")


def states(table, day):
    """Give how many hours of a day are in each state."""
    return table.loc[table["image"] == f"{day}.png", "aurora"].value_counts().to_dict()


def test_each_picture_gives_24_hours_and_the_last_line_counts_them(folder, out, capsys):
    table = run(folder, out)
    assert list(table) == labels.COLUMNS and len(table) == 72
    assert table["time"].is_monotonic_increasing and str(table["time"].dt.tz) == "UTC"
    assert states(table, "20210111") == {"yes": 2, "no": 14, "unknown": 8}
    said = capsys.readouterr().out
    assert said.startswith(
        "2 keograms by the rule night: hours 2 yes, 30 no, 16 unknown; 1 skipped"
    )
    assert "(20210503.png is an HTML page, not a picture); 3 of them labelled now" in said


def test_a_page_saved_as_a_picture_is_unknown_and_named(folder, out, caplog):
    table = run(folder, out, "newer")
    assert states(table, "20210503") == {"unknown": 24}
    assert states(table, "20210110") == {"no": 24}
    assert caplog.messages == ["20210503.png is an HTML page, not a picture"]


def test_a_second_run_labels_only_what_is_new_or_changed(folder, out, monkeypatch, capsys):
    first = run(folder, out)
    seen = []
    label_file = labels.label_file
    monkeypatch.setattr(
        labels,
        "label_file",
        lambda path, **rest: seen.append(path.name) or label_file(path, **rest),
    )
    pd.testing.assert_frame_equal(run(folder, out), first)
    assert not seen
    (folder / "20210110.png").write_bytes(NIGHT)
    (folder / "20210112.png").write_bytes(QUIET)
    table = run(folder, out)
    assert seen == ["20210110.png", "20210112.png"]
    assert (len(table), states(table, "20210110")["yes"]) == (96, 2)
    assert "2 of them labelled now" in capsys.readouterr().out


def test_a_picture_that_comes_in_place_of_a_page_is_labelled(folder, out):
    run(folder, out)
    (folder / "20210503.png").write_bytes(NIGHT)
    assert not run(folder, out)["problem"].any()


def test_finished_days_are_kept_when_a_run_is_interrupted(folder, out, monkeypatch):
    label_file = labels.label_file

    def interrupted(path, **rest):
        if path.name == "20210111.png":
            raise KeyboardInterrupt
        return label_file(path, **rest)

    monkeypatch.setattr(labels, "label_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(folder, out)
    assert labels.stored(out, "night", "kiruna")["image"].unique().tolist() == ["20210110.png"]
    monkeypatch.setattr(labels, "label_file", label_file)
    assert len(run(folder, out)) == 72
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_the_table_is_written_every_now_and_then(out, monkeypatch):
    monkeypatch.setattr(labels, "CHECKPOINT", 1)
    written = []
    monkeypatch.setattr(labels, "write", lambda table, path: written.append(len(table)))
    days = [labels.unknown(date(2021, 1, day)) for day in (2, 1)]
    labels.extend(pd.DataFrame(columns=labels.COLUMNS), days, out)
    assert written == [24, 48, 48]


def test_days_of_other_pictures_stay_in_the_table(folder, out, tmp_path, capsys):
    run(folder, out)
    other = tmp_path / "other"
    other.mkdir()
    (other / "dark_keo20210210.png").write_bytes(QUIET)
    assert len(run(other, out)) == 96
    assert capsys.readouterr().out.splitlines()[-1].startswith("1 keograms by the rule night")


def test_several_processes_give_the_same_table(folder, out, tmp_path, monkeypatch):
    monkeypatch.setattr(labels, "A_WORKERS_SHARE", 1)
    one = run(folder, out)
    two = run(folder, tmp_path / "two.parquet", jobs=2)
    pd.testing.assert_frame_equal(one, two)


def test_a_csv_holds_the_same_as_a_parquet_file(folder, out, tmp_path):
    one, csv = run(folder, out), tmp_path / "labels.csv"
    run(folder, csv)
    two = run(folder, csv)
    pd.testing.assert_frame_equal(one, two, check_dtype=False)


def test_labels_depend_on_name_picture_rule_and_site():
    keys = {
        labels.made_from(name, data, rule, site)
        for name in ("20210110.png", "20210111.png")
        for data in (NIGHT, QUIET)
        for rule in RULES
        for site in (KIRUNA, sites.find("abisko"))
    }
    assert len(keys) == 24


def test_rules_do_not_mix_in_a_table(folder, out):
    run(folder, out)
    with pytest.raises(
        UserError, match="holds labels by the rule night at kiruna: choose another --out"
    ):
        run(folder, out, "newer")


@pytest.mark.parametrize("content", [b"", b"no table", b"a,b\n1,2\n"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_file_that_is_no_table_of_labels_is_not_overwritten(folder, tmp_path, content, suffix):
    out = (tmp_path / "mine").with_suffix(suffix)
    out.write_bytes(content)
    with pytest.raises(UserError, match="is no table of labels"):
        run(folder, out)
    assert out.read_bytes() == content


def test_only_csv_and_parquet_are_written(folder, tmp_path):
    with pytest.raises(UserError, match=r"has to end in \.parquet or \.csv"):
        run(folder, tmp_path / "labels.json")


def test_a_folder_without_pictures_and_no_folder_are_one_sentence(tmp_path, out):
    (tmp_path / "notes.txt").write_text("20210101")
    with pytest.raises(UserError, match="holds no keogram"):
        run(tmp_path, out)
    with pytest.raises(UserError, match="There is no folder"):
        run(tmp_path / "nowhere", out)


def test_one_picture_a_day_is_taken_and_the_rest_is_named(folder):
    (folder / "2021").mkdir()
    for name in ("2021/dark_keo20210111.gif", "keogram.png", ".20210112.png"):
        (folder / name).write_bytes(QUIET)
    paths, left_out = labels.pictures(folder)
    assert [path.name for path in paths] == [
        "20210110.png",
        "dark_keo20210111.gif",
        "20210503.png",
    ]
    assert dict(left_out) == {
        "20210111.png": "is of the same day as dark_keo20210111.gif",
        "keogram.png": "has no date (YYYYMMDD) at the end of its name",
    }


def test_a_file_that_cannot_be_opened_is_unknown(tmp_path):
    hours = labels.label_file(tmp_path / "20210111.png")
    assert set(hours["aurora"]) == {"unknown"}
    assert hours["problem"][0] == "cannot be read (No such file or directory)"


def test_many_skipped_files_are_told_by_reason(tmp_path):
    skipped = [(f"{day}.png", "is an HTML page") for day in range(100)] + [("x.png", "is broken")]
    line = labels.summary(labels.stored(tmp_path / "none.csv", "night", "kiruna"), "night", skipped)
    assert line.endswith("101 skipped (0.png and 99 more: is an HTML page, x.png is broken)")
