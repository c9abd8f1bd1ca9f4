"""The server as any HTTP client sees it: who is let in, what is refused and how, how it ends."""

import json
import os
import socket
import ssl
import stat
import subprocess
import sys

import httpx
import pyarrow.flight as flight
import pytest

from fti.embedded.project import Project
from fti.errors import UserError
from fti.server.faults import Faults, Kind
from fti.server.flight import PORT
from fti.server.server import Server
from fti.server.tls import QUERY_SERVICE, make_certificates
from tests.hopsworks.environment import ROOT, serving


def refused(answer):
    return answer.status_code, answer.json()["errorCode"]


# who is let in


def test_the_key_is_asked_for(server, http):
    assert http.get("variables/versions").json()[0]["software"] == "hopsworks"
    for header in ({"Authorization": "ApiKey wrong"}, {"Authorization": ""}):
        assert refused(http.get("variables/versions", headers=header)) == (401, 320004)


def test_each_server_has_a_key_of_its_own_that_is_not_shown(project):
    one, other = Server(project), Server(project)
    assert one.key != other.key
    assert one.key not in repr(one._context)


def test_only_its_own_authority_is_trusted(server):
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"https://{server.host}:{server.port}/", trust_env=False)


def test_the_private_key_is_readable_by_its_user_only(server):
    folder = server.authority.parent
    assert "PRIVATE KEY" in (folder / "server.pem").read_text()
    assert "PRIVATE KEY" not in server.authority.read_text()
    if os.name != "nt":
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_query_service_asks_for_a_certificate_of_its_authority(server):
    location = f"grpc+tls://{server.host}:{PORT}"
    options = {"override_hostname": QUERY_SERVICE, "tls_root_certs": server.authority.read_bytes()}
    pair = server._certificates.client
    with flight.FlightClient(
        location, cert_chain=pair.certificate, private_key=pair.key, **options
    ) as known:
        assert {action.type for action in known.list_actions()} == {"healthcheck", "get-version"}
    stranger = make_certificates(server.host).client
    for pair in ({"cert_chain": stranger.certificate, "private_key": stranger.key}, {}):
        unknown = flight.FlightClient(location, **pair, **options)
        with unknown, pytest.raises(flight.FlightUnavailableError):
            list(unknown.list_actions(flight.FlightCallOptions(timeout=10)))


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "localhost", "::"])
def test_it_listens_on_loopback_addresses_only(project, host):
    with pytest.raises(UserError, match="loopback"):
        Server(project, host)


# what is refused


def test_a_project_that_is_not_there_has_hopsworks_own_code(http):
    assert http.get("project/getProjectInfo/local").json()["projectName"] == "local"
    assert refused(http.get("project/getProjectInfo/other")) == (404, 150004)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("project/1/featurestores/1/featuregroups/nothing?version=1", 270009),
        ("project/1/featurestores/1/featuregroups/99", 270009),
        ("project/1/featurestores/1/featureview/nothing/version/1", 270181),
        ("project/1/featurestores/1/featureview/nothing", 270181),
        ("project/1/featurestores/1/transformationfunctions?name=nothing", 270160),
        ("project/1/modelregistries/1/models/nothing_1", 360000),
        ("project/1/dataset/Resources/nothing", 110011),
        ("project/1/dataset/download/with_auth/Resources/nothing", 110011),
    ],
)
def test_what_is_not_there_has_hopsworks_own_code(http, path, code):
    assert refused(http.get(path)) == (404, code)


def test_routes_that_nobody_wrote_are_501_and_counted(server, http):
    for _ in range(2):
        assert refused(http.get("project/1/kafka/topics")) == (501, 120000)
    assert http.patch("project/1").status_code == 501
    assert server.unknown == {"GET /project/1/kafka/topics": 2, "PATCH /project/1": 1}


def test_what_needs_a_cluster_is_501_and_says_what_to_do(http):
    group = {"name": "flowers", "version": 1, "type": "cachedFeaturegroupDTO", "features": []}
    stream = group | {"type": "streamFeatureGroupDTO"}
    for given in (group | {"onlineEnabled": True}, group | {"timeTravelFormat": "HUDI"}, stream):
        answer = http.post("project/1/featurestores/1/featuregroups", json=given)
        assert answer.status_code == 501 and "leave" in answer.json()["errorMsg"]


def test_bodies_that_cannot_be_read_are_refused(http):
    path = "project/1/featurestores/1/featuregroups"
    assert refused(http.post(path, content=b"{")) == (400, 120001)
    upload = "project/1/dataset/upload/Resources"
    assert refused(http.post(upload, json={})) == (415, 120001)
    cut = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nbytes'
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    assert refused(http.post(upload, content=cut, headers=kind)) == (400, 120001)


def test_a_bug_in_a_route_is_an_answer_as_well(http, caplog):
    given = {"type": "cachedFeaturegroupDTO", "timeTravelFormat": "DELTA"}
    answer = http.post("project/1/featurestores/1/featuregroups", json=given)
    assert answer.status_code == 500 and "KeyError" in answer.json()["errorMsg"]
    assert "KeyError" in caplog.text


# files


def chunk(http, content, number=1, total=1, name="a.bin", folder="Resources"):
    form = {
        "flowChunkNumber": number, "flowTotalChunks": total, "flowChunkSize": 4,
        "flowFilename": name,
    }  # fmt: skip
    return http.post(
        f"project/1/dataset/upload/{folder}", data=form, files={"file": (name, content)}
    )


def test_chunks_arrive_in_any_order_and_the_file_appears_when_all_have(http, project):
    files = project.get_dataset_api()
    for number, content in ((3, b"i"), (1, b"\r\n--"), (1, b"abcd")):
        assert chunk(http, content, number, 3).status_code == 204
        assert not files.exists("Resources/a.bin") and files.list("Resources") == []
    chunk(http, b"efgh", 2, 3)
    assert files.read_content("Resources/a.bin").content == b"abcdefghi"


def test_an_upload_that_begins_again_does_not_mix_with_what_was_left(http, project):
    chunk(http, b"old!", 1, 2)
    assert http.get("project/1/dataset/Resources/a.bin").status_code == 404  # so a client begins
    chunk(http, b"z", 2, 2)
    assert not project.get_dataset_api().exists("Resources/a.bin")
    chunk(http, b"abcd", 1, 2)
    assert project.get_dataset_api().read_content("Resources/a.bin").content == b"abcdz"


@pytest.mark.parametrize("content", [b"", b"\r\n", b"--x--", bytes(range(256)) * 4])
def test_a_chunk_may_hold_any_bytes(http, project, content):
    chunk(http, content)
    assert project.get_dataset_api().read_content("Resources/a.bin").content == content


@pytest.mark.parametrize("path", ["..%2Fcatalog.sqlite", "Resources%2F..%2F..%2Fx", "offline"])
def test_nothing_outside_the_projects_datasets_is_reached(http, path):
    for answer in (
        http.get(f"project/1/dataset/download/with_auth/{path}"),
        http.delete(f"project/1/dataset/{path}"),
        chunk(http, b"x", folder=path),
    ):
        assert answer.status_code in (400, 404) and answer.json()["errorCode"] == 110011
    assert chunk(http, b"x", name="../x").status_code == 400


# the end, and what goes wrong on purpose


def test_it_ends_while_clients_keep_their_connections(project):
    with serving(project) as server:
        address = (server.host, server.port)
        idle = socket.create_connection(address)
        trusted = ssl.create_default_context(cafile=str(server.authority))
        connected = trusted.wrap_socket(
            socket.create_connection(address), server_hostname=address[0]
        )
    with idle, connected:
        assert connected.recv(1) == b""
    with pytest.raises(OSError):
        socket.create_connection(address, timeout=5)
    assert not server.authority.exists()


def test_the_port_of_the_query_service_must_be_free(project):
    with serving(project) as server, pytest.raises(UserError, match="another loopback address"):
        Server(project, server.host).__enter__()


def test_a_fault_happens_as_often_as_it_was_asked_for():
    faults = Faults()
    faults.add(Kind.drop, "GET|PUT", "/models", times=2)
    faults.add(Kind.stall, "GET", "/models/x")
    assert faults.next("POST", "/project/1/models") is None
    kinds = [faults.next("GET", "/project/1/models/x") for _ in range(4)]
    assert kinds == [Kind.drop, Kind.drop, Kind.stall, None]
    assert faults.left == 0


def test_faults_are_what_they_say(server, http):
    path = "project/1/dataset/Resources/folder"
    make = {"action": "create"}
    for kind in (Kind.drop, Kind.cut):
        server.faults.add(kind, "POST", "/folder$")
        with pytest.raises(httpx.TransportError):
            http.post(path, params=make, content=b"x" * 100)
    server.faults.add(Kind.unavailable, "POST", "/folder$")
    assert http.post(path, params=make).status_code == 503
    assert http.get(path).status_code == 404
    server.faults.add(Kind.late, "POST", "/folder$")
    assert http.post(path, params=make).status_code == 504
    assert http.get(path).json()["attributes"]["dir"] is True
    server.faults.add(Kind.stall, "GET", "/folder$")
    with pytest.raises(httpx.ReadTimeout):
        http.get(path, timeout=0.5)


# the command


def test_the_command_says_where_it_is_and_what_it_could_not_answer(home):
    command = [sys.executable, "-W", "error", "-m", "fti", "serve", "--port", "0", "--json"]
    with serving(Project(home)) as taken:  # so that the command has to take another address
        host = f"127.0.0.{int(taken.host.rpartition('.')[2]) + 100}"
        with subprocess.Popen(
            [*command, "--host", host, "--key", "a-key"],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            settings = json.loads(process.stdout.readline())
            trusted = ssl.create_default_context(cafile=settings["HOPSWORKS_TRUST_STORE_PATH"])
            base = f"https://{settings['HOPSWORKS_HOST']}:{settings['HOPSWORKS_PORT']}"
            headers = {"Authorization": f"ApiKey {settings['HOPSWORKS_API_KEY']}"}
            address = f"{base}/hopsworks-api/api/project/1/jobs"
            answer = httpx.get(address, verify=trusted, headers=headers, trust_env=False)
            process.terminate()
            said = process.stderr.read()
    assert (answer.status_code, process.returncode) == (501, 0)
    assert said.splitlines()[-1] == "not answered, 1 times: GET /project/1/jobs"


def test_without_the_package_for_certificates_it_says_what_to_install(project, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install cryptography"):
        Server(project)
