import gzip
import json
import logging
import socket
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fti import http
from fti.errors import UserError


def handler_for(site):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            site.requests.append(self)
            answers = site.answers
            status, body, headers = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value) if value else None
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *args):
            pass

    return Handler


class Site:
    """A loopback web site: answers what a test has queued, the last answer again and again."""

    def __init__(self):
        self.answers, self.requests = [], []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(self))
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, status=200, body=b"", **headers):
        self.answers.append((status, body, {k.replace("_", "-"): v for k, v in headers.items()}))


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    site.server.shutdown()
    site.server.server_close()
    thread.join()


def test_the_body_comes_back_and_the_project_introduces_itself(site):
    site.answer(body=b"kp 5")
    assert http.get(site.address) == b"kp 5"
    assert site.requests[0].headers["User-Agent"] == http.USER_AGENT


def test_own_headers_win_over_the_usual_ones(site):
    site.answer(body=b"ok")
    http.get(site.address, headers={"User-Agent": "someone", "Accept": "text/csv"})
    assert site.requests[0].headers["User-Agent"] == "someone"
    assert site.requests[0].headers["Accept"] == "text/csv"


def test_compressed_bodies_come_back_plain(site):
    site.answer(body=gzip.compress(b"a,b\n" * 100), Content_Encoding="gzip")
    assert http.get(site.address) == b"a,b\n" * 100


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_failure_is_tried_again(site, status):
    site.answer(status)
    site.answer(body=b"at last")
    assert http.get(site.address, backoff=0) == b"at last"
    assert len(site.requests) == 2


def test_a_lost_connection_is_tried_again(site):
    site.answer(body=b"half", Content_Length="8", Connection="close")
    site.answer(body=b"complete")
    assert http.get(site.address, backoff=0) == b"complete"


def test_attempts_end_after_the_given_retries(site):
    site.answer(503)
    with pytest.raises(http.HttpError, match=r"status 503.*try again later") as caught:
        http.get(site.address, retries=2, backoff=0)
    assert len(site.requests) == 3
    assert caught.value.status == 503


@pytest.mark.parametrize(("status", "advice"), [(404, "check the address"), (401, "check the key")])
def test_a_lasting_failure_is_not_tried_again(site, status, advice):
    site.answer(status)
    with pytest.raises(http.HttpError, match=advice):
        http.get(site.address)
    assert len(site.requests) == 1


def test_pauses_double_and_stay_bounded(site):
    site.answer(500)
    pauses = []
    with pytest.raises(http.HttpError):
        http.get(site.address, retries=6, backoff=2, sleep=pauses.append)
    for pause, least in zip(pauses, (2, 4, 8, 16, 30, 30), strict=True):
        assert least <= pause <= min(least + 2, http.LONGEST_PAUSE)


def test_retry_after_sets_the_pause(site):
    site.answer(429, Retry_After="7")
    site.answer(body=b"ok")
    pauses = []
    http.get(site.address, sleep=pauses.append)
    assert pauses == [7.0]


def test_retry_after_may_be_a_date(site):
    moment = datetime.now(UTC) + timedelta(seconds=20)
    site.answer(503, Retry_After=format_datetime(moment, usegmt=True))
    site.answer(body=b"ok")
    pauses = []
    http.get(site.address, sleep=pauses.append)
    assert 10 < pauses[0] <= 20


def test_retry_after_in_no_known_form_is_ignored(site):
    site.answer(503, Retry_After="soon")
    site.answer(body=b"ok")
    assert http.get(site.address, backoff=0) == b"ok"


def test_a_server_that_wants_an_hour_is_left_alone(site):
    site.answer(429, Retry_After="3600")
    with pytest.raises(http.HttpError, match="try again later"):
        http.get(site.address)
    assert len(site.requests) == 1


@pytest.mark.parametrize("length", [None, "2000"], ids=["unannounced", "announced"])
def test_a_body_over_the_limit_is_refused(site, length):
    site.answer(body=b"x" * 2000, Content_Length=length)
    with pytest.raises(http.HttpError, match="larger than 1,000 bytes"):
        http.get(site.address, max_bytes=1000)


def test_a_body_at_the_limit_is_taken(site):
    site.answer(body=b"x" * 1000)
    assert len(http.get(site.address, max_bytes=1000)) == 1000


def test_a_compressed_body_is_measured_unpacked(site):
    site.answer(body=gzip.compress(bytes(100_000)), Content_Encoding="gzip")
    with pytest.raises(http.HttpError, match="larger than"):
        http.get(site.address, max_bytes=50_000)


def test_an_endless_trickle_is_cut_off(site):
    site.answer(body=b"drop")
    with pytest.raises(http.HttpError, match="took longer than -1 s"):
        http.get(site.address, total_timeout=-1)


def test_redirects_are_followed(site):
    site.answer(302, Location="/elsewhere")
    site.answer(body=b"here")
    assert http.get(site.address) == b"here"
    assert site.requests[1].path == "/elsewhere"


def test_redirects_in_a_circle_end(site):
    site.answer(302, Location="/")
    with pytest.raises(http.HttpError, match="redirects more than 5 times"):
        http.get(site.address)
    assert len(site.requests) == http.MAX_REDIRECTS + 1


@pytest.mark.parametrize("target", ["file:///etc/hosts", "ftp://example.org/a"])
def test_redirects_lead_to_web_addresses_only(site, target):
    site.answer(302, Location=target)
    with pytest.raises(http.HttpError, match=r"not http\(s\)"):
        http.get(site.address)


@pytest.mark.parametrize(
    "url", ["", "kp.json", "file:///etc/hosts", "http://", "http://[", "http://h:port/"]
)
def test_other_addresses_are_refused_before_asking(url):
    with pytest.raises(http.HttpError, match=r"not an http\(s\) address"):
        http.get(url)


def test_a_closed_door_is_named_without_secrets(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}/weather"
        with pytest.raises(http.HttpError) as caught:
            http.get(f"http://me:pass@{address}?key=s3cret", backoff=0, retries=1)
    message = str(caught.value)
    assert f"http://{address}?... could not be reached" in message
    assert "s3cret" not in message
    assert "pass" not in message
    assert caught.value.status is None


def test_a_silent_server_times_out(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(http.HttpError, match=r"did not answer within 0\.05 s"):
            http.get(url, timeout=0.05, retries=0)


def test_keys_in_queries_stay_out_of_the_log(site, caplog):
    site.answer(503)
    with caplog.at_level(logging.INFO), pytest.raises(http.HttpError):
        http.get(f"{site.address}/?key=s3cret", retries=1, backoff=0)
    assert "Trying again" in caplog.text
    assert "s3cret" not in caplog.text


def test_every_failure_is_one_the_command_lines_print():
    assert issubclass(http.HttpError, UserError)


def test_an_unchanged_file_is_not_sent_again(site, tmp_path):
    site.answer(body=b"rows", ETag='"v1"', Last_Modified="Thu, 19 Nov 2026 00:00:00 GMT")
    site.answer(304)
    assert http.get(site.address, cache=tmp_path) == b"rows"
    assert http.get(site.address, cache=tmp_path) == b"rows"
    assert site.requests[1].headers["If-None-Match"] == '"v1"'
    assert site.requests[1].headers["If-Modified-Since"] == "Thu, 19 Nov 2026 00:00:00 GMT"


def test_a_changed_file_replaces_the_copy(site, tmp_path):
    site.answer(body=b"old", ETag='"v1"')
    site.answer(body=b"new", ETag='"v2"')
    assert http.get(site.address, cache=tmp_path) == b"old"
    assert http.get(site.address, cache=tmp_path) == b"new"
    assert http.get(site.address, cache=tmp_path, fresh_for=3600) == b"new"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_fresh_copy_needs_no_network(site, tmp_path):
    site.answer(body=b"rows")
    for _ in range(3):
        assert http.get(site.address, cache=tmp_path, fresh_for=3600) == b"rows"
    assert len(site.requests) == 1


def test_the_copy_knows_when_it_was_fetched(site, tmp_path):
    assert http.fetched_at(site.address, tmp_path) is None
    site.answer(body=b"rows")
    http.get(site.address, cache=tmp_path)
    age = datetime.now(UTC) - http.fetched_at(site.address, tmp_path)
    assert timedelta(0) <= age < timedelta(minutes=1)


def test_an_old_copy_is_used_only_if_asked_for_and_says_so(site, tmp_path, caplog):
    site.answer(body=b"old")
    http.get(site.address, cache=tmp_path)
    site.answers.clear()
    site.answer(503)
    with pytest.raises(http.HttpError):
        http.get(site.address, cache=tmp_path, retries=0)
    assert http.get(site.address, cache=tmp_path, retries=0, allow_stale=True) == b"old"
    assert "using the copy of" in caplog.text


def test_each_address_and_each_set_of_headers_has_its_own_copy(site, tmp_path):
    for body in (b"a", b"b", b"c"):
        site.answer(body=body)
    assert http.get(f"{site.address}/?q=1", cache=tmp_path) == b"a"
    assert http.get(f"{site.address}/?q=2", cache=tmp_path) == b"b"
    assert http.get(f"{site.address}/?q=2", cache=tmp_path, headers={"Accept": "x"}) == b"c"
    assert http.get(f"{site.address}/?q=1", cache=tmp_path, fresh_for=3600) == b"a"


def test_keys_in_queries_stay_out_of_the_cache(site, tmp_path):
    site.answer(body=b"rows")
    http.get(f"{site.address}/?key=s3cret", cache=tmp_path)
    assert all(b"s3cret" not in file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.parametrize("damage", [b"", b"not json\nrows", b"{}\nrows", None])
def test_a_damaged_copy_is_fetched_anew(site, tmp_path, damage):
    site.answer(body=b"rows", ETag='"v1"')
    http.get(site.address, cache=tmp_path)
    (copy,) = tmp_path.iterdir()
    copy.write_bytes(copy.read_bytes()[:-1] if damage is None else damage)
    assert http.get(site.address, cache=tmp_path, fresh_for=3600) == b"rows"
    assert site.requests[1].headers["If-None-Match"] is None


def test_a_folder_that_cannot_be_written_costs_only_the_copy(site, tmp_path, caplog):
    site.answer(body=b"rows")
    (tmp_path / "file").write_text("in the way")
    assert http.get(site.address, cache=tmp_path / "file") == b"rows"
    assert "no copy of" in caplog.text


def test_not_modified_without_a_copy_is_an_error(site):
    site.answer(304)
    with pytest.raises(http.HttpError, match="not modified"):
        http.get(site.address)


def test_what_is_asked_stays_with_its_host_if_so_wished(site):
    site.answer(302, Location="http://elsewhere.invalid/")
    with pytest.raises(http.HttpError, match="leads elsewhere") as caught:
        http.get(site.address, redirects=0)
    assert caught.value.status == 302
    assert len(site.requests) == 1


def test_a_document_is_posted_as_json(site):
    site.answer(body=b"answer")
    assert http.post(site.address, {"län": [1, None]}) == b"answer"
    (asked,) = site.requests
    assert asked.command == "POST"
    assert json.loads(asked.sent) == {"län": [1, None]}
    assert asked.headers["Content-Type"] == "application/json"
    assert asked.headers["User-Agent"] == http.USER_AGENT


def test_each_posted_document_has_its_own_kept_answer(site, tmp_path):
    for body in (b"a", b"b"):
        site.answer(body=body)
    for document, answer in (({"q": 1}, b"a"), ({"q": 2}, b"b"), ({"q": 1}, b"a")):
        assert http.post(site.address, document, cache=tmp_path, fresh_for=3600) == answer
    assert len(site.requests) == 2


def test_a_download_lands_whole_in_its_file(site, tmp_path):
    body = bytes(range(256)) * 4096
    site.answer(body=body)
    path = tmp_path / "new" / "sales.csv.gz"
    assert http.download(site.address, path) is True
    assert path.read_bytes() == body
    assert list(path.parent.iterdir()) == [path]


def test_a_download_that_breaks_off_begins_anew(site, tmp_path):
    site.answer(body=b"a longer half", Content_Length="99", Connection="close")
    site.answer(body=b"whole")
    http.download(site.address, tmp_path / "file", backoff=0)
    assert (tmp_path / "file").read_bytes() == b"whole"


def test_a_failed_download_leaves_the_file_that_was_there(site, tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    site.answer(body=b"x" * 2000, Content_Length=None)
    with pytest.raises(http.HttpError, match="larger than 1,000 bytes"):
        http.download(site.address, tmp_path / "file", max_bytes=1000)
    site.answers[:] = [(404, b"<html>", {})]
    with pytest.raises(http.HttpError, match="status 404"):
        http.download(site.address, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_download_asks_only_for_what_is_newer(site, tmp_path):
    site.answer(304)
    moment = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert http.download(site.address, tmp_path / "file", newer_than=moment) is False
    assert site.requests[0].headers["If-Modified-Since"] == "Fri, 20 Nov 2026 12:00:00 GMT"
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_named(site, tmp_path):
    site.answer(body=b"rows")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(http.HttpError, match="file/sales cannot be written"):
        http.download(site.address, tmp_path / "file" / "sales")
