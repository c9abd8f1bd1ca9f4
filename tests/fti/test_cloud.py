import socket
from importlib import metadata
from types import SimpleNamespace

import httpx
import pandas as pd
import pytest

from fti import cloud
from fti.errors import UserError


@pytest.fixture
def settings(hopsworks):
    return cloud.read_settings()


def has_client():
    try:
        return bool(metadata.version("hopsworks"))
    except metadata.PackageNotFoundError:
        return False


def refused(call, *arguments):
    with pytest.raises(cloud.HopsworksError) as error:
        call(*arguments)
    return str(error.value)


# settings


def test_the_key_is_nowhere_to_be_seen(settings):
    assert settings.key == "good-key"
    assert "good-key" not in repr(settings)


def test_without_a_key_it_says_where_one_is_made(hopsworks, monkeypatch):
    monkeypatch.delenv("HOPSWORKS_API_KEY")
    assert "HOPSWORKS_API_KEY is not set" in refused(cloud.read_settings)


@pytest.mark.parametrize("key", ["two words", "nön-ascii", "line\nline"])
def test_a_key_that_cannot_be_one_is_refused_before_it_is_sent(hopsworks, monkeypatch, key):
    monkeypatch.setenv("HOPSWORKS_API_KEY", key)
    sentence = refused(cloud.read_settings)
    assert "copy it again" in sentence and key not in sentence


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("HOST", "https://my.hopsworks.eu/p/1", "my.hopsworks.eu."),
        ("HOST", "my.hopsworks.eu:443", "my.hopsworks.eu."),
        ("PORT", "https", "443"),
        ("PORT", "0", "443"),
        ("TIMEOUT", "-1", "120"),
        ("TIMEOUT", "nan", "120"),
        ("HOSTNAME_VERIFICATION", "maybe", "true or false"),
        ("OFFLINE_FORMAT", "csv", "DELTA, HUDI, ICEBERG, NONE"),
        ("TRUST_STORE_PATH", "no-such-file.pem", "no file"),
    ],
)
def test_a_wrong_setting_is_named_with_what_it_should_be(hopsworks, monkeypatch, name, value, hint):
    monkeypatch.setenv(f"HOPSWORKS_{name}", value)
    sentence = refused(cloud.read_settings)
    assert f"HOPSWORKS_{name} is '{value}'" in sentence and hint in sentence


def test_settings_have_careful_defaults(hopsworks, monkeypatch):
    for name in ("HOST", "PORT", "PROJECT", "TRUST_STORE_PATH"):
        monkeypatch.setenv(f"HOPSWORKS_{name}", " ")
    settings = cloud.read_settings()
    assert settings == cloud.Settings(key="good-key")
    assert (settings.where, settings.project) == ("eu-west.cloud.hopsworks.ai:443", None)
    assert settings.verification and settings.timeout == 120


def test_inside_a_cluster_the_client_would_ignore_the_settings_so_it_is_refused(
    hopsworks, monkeypatch
):
    monkeypatch.setenv("REST_ENDPOINT", "https://hopsworks:8182")
    assert "REST_ENDPOINT" in refused(cloud.read_settings)


# a look at the server


def test_a_server_that_agrees_is_looked_at_and_found_good(settings, hopsworks):
    cloud.check_versions("5.2.1", cloud.backend_version(settings))
    cloud.check_project(settings)
    assert hopsworks.requests == ["variables/versions", "project/getProjectInfo/titanic"]


def test_the_version_of_the_client_must_be_the_servers(settings, hopsworks):
    hopsworks.version = "4.8.3-SNAPSHOT"
    sentence = refused(cloud.check_versions, "5.2.1", cloud.backend_version(settings))
    assert "pip install hopsworks==4.8.*" in sentence


def test_a_server_that_keeps_its_version_to_itself_is_believed(settings, hopsworks):
    hopsworks.always = 200, [{"software": "spark", "version": "3.5"}]
    assert cloud.backend_version(settings) is None
    cloud.check_versions("5.2.1", None)


def test_a_refused_key_is_said_to_be(hopsworks, monkeypatch):
    monkeypatch.setenv("HOPSWORKS_API_KEY", "bad-key")
    sentence = refused(cloud.check_project, cloud.read_settings())
    assert "refuses the key" in sentence and "bad-key" not in sentence


def test_a_project_that_is_not_there_is_named(hopsworks, monkeypatch):
    monkeypatch.setenv("HOPSWORKS_PROJECT", "titanik")
    assert "no project 'titanik'" in refused(cloud.check_project, cloud.read_settings())


def test_without_a_project_it_lists_them_instead_of_asking(hopsworks, monkeypatch):
    monkeypatch.delenv("HOPSWORKS_PROJECT")
    sentence = refused(cloud.check_project, cloud.read_settings())
    assert sentence == "HOPSWORKS_PROJECT is not set: set it to one of iris, titanic."


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((403, {}), "all scopes"),
        ((503, "<html>busy</html>"), "HTTP 503"),
        ((404, "<html>nothing here</html>"), "not as Hopsworks does (HTTP 404)"),
        ((200, "<html>a login page</html>"), "not as Hopsworks does"),
        ((200, {"login": "page"}), "not as Hopsworks does"),
    ],
)
def test_a_server_that_is_something_else_or_unwell_is_said_to_be(
    settings, hopsworks, answer, expected
):
    hopsworks.always = answer
    assert expected in refused(cloud.backend_version, settings)


def test_a_certificate_nobody_signed_is_refused_with_both_ways_out(hopsworks, monkeypatch):
    monkeypatch.delenv("HOPSWORKS_TRUST_STORE_PATH")
    sentence = refused(cloud.backend_version, cloud.read_settings())
    assert "HOPSWORKS_TRUST_STORE_PATH" in sentence
    assert "HOPSWORKS_HOSTNAME_VERIFICATION=false" in sentence
    assert hopsworks.requests == []  # the key was not sent

    monkeypatch.setenv("HOPSWORKS_HOSTNAME_VERIFICATION", "false")
    assert cloud.backend_version(cloud.read_settings()) == "5.2.0"


def test_a_closed_port_is_said_to_be(hopsworks, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = listener.getsockname()[1]
    monkeypatch.setenv("HOPSWORKS_PORT", str(free))
    assert "cannot be reached" in refused(cloud.backend_version, cloud.read_settings())


def test_a_host_that_is_not_there_is_said_to_be(hopsworks, monkeypatch):
    monkeypatch.setenv("HOPSWORKS_HOST", "nowhere.invalid")
    monkeypatch.setenv("NO_PROXY", "nowhere.invalid")
    sentence = refused(cloud.backend_version, cloud.read_settings())
    assert "There is no host nowhere.invalid" in sentence


def test_a_server_that_says_nothing_is_waited_for_only_so_long(hopsworks, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HOPSWORKS_PORT", str(silent.getsockname()[1]))
        monkeypatch.setenv("HOPSWORKS_TIMEOUT", "0.2")
        sentence = refused(cloud.backend_version, cloud.read_settings())
    assert "did not answer in time (HOPSWORKS_TIMEOUT is 0.2 seconds)" in sentence


def test_reads_go_where_the_server_says_or_to_itself(settings, hopsworks):
    assert cloud.query_service(settings) == ("nowhere.invalid", 5005)
    hopsworks.always = 404, {}
    assert cloud.query_service(settings) == ("127.0.0.1", 5005)


def test_a_port_can_be_connected_to_while_something_listens():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert cloud.can_connect("127.0.0.1", port, timeout=1)
    assert not cloud.can_connect("127.0.0.1", port, timeout=1)


# the login


@pytest.mark.skipif(has_client(), reason="the Hopsworks client is installed here")
def test_without_the_client_the_login_names_the_requirements_file(hopsworks):
    sentence = refused(cloud.login)
    assert "requirements/<use case>-hopsworks.txt" in sentence
    assert hopsworks.requests == []


# feature groups of a project that was logged in to; the embedded project answers the same API


def keyed(store, **options):
    return store.get_or_create_feature_group(
        name="hours", version=1, primary_key=["site"], event_time="hour", **options
    )


def test_delta_is_left_to_the_client(project):
    store = cloud.with_group_defaults(project, cloud.Settings("key")).get_feature_store()
    assert keyed(store).time_travel_format == "DELTA"


@pytest.mark.parametrize("format_", ["HUDI", "NONE"])
def test_the_offline_format_is_given_to_new_groups(project, format_):
    settings = cloud.Settings("key", offline_format=format_)
    store = cloud.with_group_defaults(project, settings).get_feature_store()
    with pytest.raises(NotImplementedError, match=format_):  # the embedded one knows Delta only
        keyed(store)
    with pytest.raises(NotImplementedError, match=format_):
        store.create_feature_group("hours", primary_key=["site"])


def test_online_groups_are_asked_for_when_set(project):
    settings = cloud.Settings("key", online=True)
    assert settings.group_defaults == {"online_enabled": True}
    store = cloud.with_group_defaults(project, settings).get_feature_store()
    with pytest.raises(NotImplementedError, match="online"):
        keyed(store)


def test_what_a_call_says_itself_wins(project):
    settings = cloud.Settings("key", offline_format="HUDI", online=True)
    store = cloud.with_group_defaults(project, settings).get_feature_store()
    assert keyed(store, time_travel_format="DELTA", online_enabled=False).name == "hours"
    group = store.get_or_create_feature_group("days", 1, "", False, "DELTA", primary_key=["site"])
    assert group.name == "days"


def test_groups_of_a_logged_in_project_work_as_before(project):
    store = cloud.with_group_defaults(project, cloud.Settings("key")).get_feature_store()
    rows = pd.DataFrame({"site": ["KRN"], "hour": pd.to_datetime(["2026-01-01"]), "kp": [5.0]})
    keyed(store).insert(rows, wait=True)
    assert store.get_feature_group("absent", version=1) is None
    assert len(store.get_feature_group("hours", version=1).read()) == 1
    assert [group.name for group in store.get_feature_groups()] == ["hours"]


class FeatureStoreException(Exception):
    """What the client raises, by name."""


def project_whose_inserts_raise(error):
    def insert(rows):
        raise error

    def get_feature_group(name, version):
        return SimpleNamespace(name=name, version=version, insert=insert)

    def get_feature_store():
        return SimpleNamespace(
            get_feature_group=get_feature_group,
            get_feature_groups=lambda: [get_feature_group("hours", 1)],
            get_or_create_feature_group=get_feature_group,
            create_feature_group=get_feature_group,
        )

    return SimpleNamespace(get_feature_store=get_feature_store)


@pytest.mark.parametrize(
    "message",
    [
        "Failed to write to delta table in external cluster. Make sure datanode load balancer has "
        "been setup on the cluster.",
        "Failed to write to delta table. Make sure namenode load balancer has been setup on the "
        "cluster.",
    ],
)
def test_a_cluster_that_takes_no_delta_from_outside_is_explained(message):
    given = project_whose_inserts_raise(FeatureStoreException(message))
    store = cloud.with_group_defaults(given, cloud.Settings("key")).get_feature_store()
    groups = [
        store.get_feature_group("hours", 1),
        store.get_or_create_feature_group("hours", 1),
        store.create_feature_group("hours", 1),
        *store.get_feature_groups(),
    ]
    for group in groups:
        with pytest.raises(UserError, match="HOPSWORKS_OFFLINE_FORMAT=HUDI") as error:
            group.insert("rows")
        assert "hours" in str(error.value)
        assert isinstance(error.value.__cause__, FeatureStoreException)


def test_other_errors_of_an_insert_are_left_as_they_are():
    given = project_whose_inserts_raise(FeatureStoreException("columns do not match"))
    store = cloud.with_group_defaults(given, cloud.Settings("key")).get_feature_store()
    with pytest.raises(FeatureStoreException, match="columns do not match"):
        store.get_feature_group("hours", 1).insert("rows")


# what goes wrong in the middle of a run


class RestAPIError(Exception):
    """An error of the client, which carries the server's answer."""

    def __init__(self, status):
        self.response = SimpleNamespace(status_code=status)


def of_requests(name):
    return type(name, (Exception,), {"__module__": "requests.exceptions"})()


READ, WRITE = ("GET", ["project", 1]), ("POST", ["project", 1, "featuregroups"])
ASK = ("PUT", ["project", 1, "featurestores", "query"])


@pytest.mark.parametrize(
    ("error", "request_", "again"),
    [
        (RestAPIError(503), WRITE, True),
        (RestAPIError(504), READ, True),
        (RestAPIError(504), ASK, True),
        (RestAPIError(504), WRITE, False),
        (RestAPIError(404), READ, False),
        (of_requests("ConnectionError"), READ, True),
        (of_requests("ConnectionError"), WRITE, False),
        (of_requests("ReadTimeout"), READ, False),
        (ValueError("a bug"), READ, False),
    ],
)
def test_a_request_is_sent_again_only_where_that_does_no_harm(error, request_, again):
    assert cloud.may_send_again(error, *request_) is again


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RestAPIError(504), "HTTP 504"),
        (of_requests("ReadTimeout"), "HOPSWORKS_TIMEOUT"),
        (of_requests("ConnectionError"), "connection to Hopsworks broke"),
        (type("FlightUnavailableError", (Exception,), {})(), "connection to Hopsworks broke"),
    ],
)
def test_a_server_that_went_away_is_one_sentence_wherever_it_was_noticed(error, words):
    try:
        raise RuntimeError("could not read") from error
    except RuntimeError as noticed:
        assert words in cloud.trouble(noticed)


@pytest.mark.parametrize(
    "error",
    [ValueError("a bug"), RestAPIError(404), RestAPIError(501), httpx.ReadTimeout("a source")],
)
def test_other_errors_are_not_taken_for_it(error):
    assert cloud.trouble(error) is None
