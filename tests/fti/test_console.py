import datetime as dt
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from fti import console
from fti.errors import UserError

ROOT = Path(__file__).parents[2]
PROGRAM = """
import logging
from fti import console
from fti.errors import UserError

class Elsewhere(UserError):
    exit_code = 69

def main(
    date: console.DateOption = None,
    source: console.SourceOption = None,
    fail: bool = False,
    crash: bool = False,
) -> None:
    \"\"\"Do the day.\"\"\"
    logging.getLogger("zoo").info("looking")
    logging.getLogger("httpx").info("GET https://example.org/?key=secret")
    logging.getLogger("zoo").warning("odd")
    if source == "web":
        raise Elsewhere("The web is not there.")
    if fail:
        raise UserError("The source is not there: use --source sample.")
    if crash:
        raise RuntimeError("a bug")
    console.say(f"done {console.day(date)}")

if __name__ == "__main__":
    console.run(main)
"""


def zoo(*arguments):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], cwd=ROOT, capture_output=True, text=True
    )


def test_results_go_to_stdout_and_log_lines_to_stderr_without_addresses():
    done = zoo("--date", "2026-01-31")
    assert (done.returncode, done.stdout) == (0, "done 2026-01-31\n")
    assert done.stderr == "looking\nWARNING: odd\n"


def test_a_user_error_is_one_sentence_and_exit_code_1():
    failed = zoo("--fail")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.splitlines()[-1] == "The source is not there: use --source sample."
    assert "Traceback" not in failed.stderr


def test_an_error_may_have_its_own_exit_code():
    failed = zoo("--source", "web")
    assert (failed.returncode, failed.stderr.splitlines()[-1]) == (69, "The web is not there.")


def test_a_bug_keeps_its_traceback():
    failed = zoo("--crash")
    assert failed.returncode == 1
    assert "Traceback" in failed.stderr and "RuntimeError: a bug" in failed.stderr


def test_a_bad_date_is_said_to_be():
    failed = zoo("--date", "31.1.2026")
    assert failed.returncode == 1
    assert failed.stderr == (
        "The date '31.1.2026' is not a day: write it as YYYY-MM-DD, for example 2026-01-31.\n"
    )


def test_help_says_what_the_date_is():
    helped = zoo("--help")
    assert helped.returncode == 0
    assert "YYYY-MM-DD" in helped.stdout and "today, UTC" in helped.stdout
    assert "--source" in helped.stdout and "sample" in helped.stdout


@pytest.mark.parametrize(
    "given",
    ["2026-01-31", " 2026-01-31", dt.date(2026, 1, 31), dt.datetime(2026, 1, 31, 23, 59)],
)
def test_a_day_is_given_as_text_or_date(given):
    assert console.day(given) == dt.date(2026, 1, 31)


def test_without_a_day_it_is_today_in_utc():
    before = dt.datetime.now(dt.UTC).date()
    assert before <= console.day() <= dt.datetime.now(dt.UTC).date()


@pytest.mark.parametrize("given", ["2026-02-30", "today", "", "2026-1", "20260131"])
def test_what_is_not_a_day_is_refused(given):
    with pytest.raises(UserError, match="YYYY-MM-DD"):
        console.day(given)


def test_logging_is_set_up_once():
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    try:
        console.configure_logging()
        console.configure_logging()
        added = [handler for handler in root.handlers if handler not in before]
        assert len(added) == 1
    finally:
        root.handlers[:] = before
        root.setLevel(level)
