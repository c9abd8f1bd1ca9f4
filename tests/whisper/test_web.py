"""Only public https servers are reached, whatever the address, a redirect or a DNS server says."""

import gzip
import ipaddress
import os
import shutil
import socket
import ssl
import subprocess
import threading
from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fti.http import MEGABYTE
from whisper import web
from whisper.web import Guard, WebError

NAME = "media.example"  # what the tests' server is called; its address comes from their resolver
BODY = bytes(range(256)) * 8


class Server:
    """A server that answers what a test has written, byte by byte; `hosts` are those asked for."""

    def __init__(self, tls=None):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.tls, self.answers, self.heads, self.lookups = tls, {}, [], []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def guard(self, addresses=("127.0.0.1",), **more):
        def resolve(host, port):
            self.lookups.append(host)
            return addresses

        return Guard(frozenset({f"{NAME}:{self.port}"}), resolve, **more)

    def address(self, path="/talk.mp3"):
        return f"{'https' if self.tls else 'http'}://{NAME}:{self.port}{path}"

    def answer(self, path="/talk.mp3", status="200 OK", kind="audio/mpeg", body=BODY, **headers):
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        lines = {"Content-Type": kind, "Content-Length": str(len(body)), **more}
        told = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
        self.answers[path] = [f"HTTP/1.1 {status}\r\n{told}\r\n".encode() + body]

    def serve(self):
        while True:
            connection, _ = self.socket.accept()
            with connection:
                if self.over.is_set():
                    return
                with suppress(OSError):
                    connection.settimeout(10)
                    if self.tls:
                        connection = self.tls.wrap_socket(connection, server_side=True)
                    self.reply(connection)

    def reply(self, connection):
        with connection:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += connection.recv(4096) or b"\r\n\r\n"
            self.heads.append(head.decode())
            for piece in self.answers.get(head.split()[1].decode(), [b"HTTP/1.1 404 No\r\n\r\n"]):
                connection.sendall(piece)

    def close(self):
        self.over.set()
        socket.create_connection(("127.0.0.1", self.port)).close()
        self.thread.join()
        self.socket.close()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


def refused(url, guard=web.PUBLIC, **bounds):
    """Give the sentence with which an address is refused; no redirect is followed to it."""
    with pytest.raises(WebError) as error:
        web.read(url, kinds=web.MEDIA, guard=guard, **bounds)
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(".")
    return str(error.value)


def test_a_file_comes_with_its_type_and_size(server, tmp_path):
    server.answer()
    found = web.fetch(server.address("/talk.mp3"), tmp_path / "talk", guard=server.guard())
    assert (tmp_path / "talk").read_bytes() == BODY
    assert (found.kind, found.size) == ("audio/mpeg", len(BODY))


def test_the_server_is_asked_by_its_name_without_cookies_or_keys(server):
    server.answer(Set_Cookie="a=b")
    for _ in range(2):
        web.read(server.address(), kinds=web.MEDIA, guard=server.guard())
    assert f"Host: {NAME}:{server.port}\r\n" in server.heads[1]
    assert "cookie" not in server.heads[1].lower()
    assert "authorization" not in server.heads[1].lower()


def test_a_proxy_of_the_environment_is_not_used(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    server.answer()
    assert web.read(server.address(), kinds=web.MEDIA, guard=server.guard()) == BODY


# Forms of addresses


PRIVATE = [
    "http://example.org/talk.mp3", "ftp://example.org/a", "file:///etc/passwd",
    "javascript:alert(1)", "data:audio/wav;base64,AAAA", "gopher://example.org/", "//example.org/a",
    "example.org/a", "", "https://", "https:///a", "https://user@example.org/", "https://user:word@example.org/",
    "https://example.org@127.0.0.1/", "https://example.org:8443/", "https://example.org:80/",
    "https://localhost/", "https://localhost./", "https://metadata/", "https://127.0.0.1/",
    "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://0x7f.1/",
    "https://0177.0.0.1/", "https://017700000001/", "https://0/", "https://10.0.0.1/",
    "https://169.254.169.254/latest/meta-data", "https://192.168.1.1/", "https://8.8.8.8/",
    "https://134744072/", "https://[::1]/", "https://[::]/", "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/", "https://[fe80::1%25eth0]/", "https://[64:ff9b::7f00:1]/",
    "https://①②⑦.0.0.①/", "https://１２７.0.0.1/", "https://127。0。0。1/", "https://%31%32%37.0.0.1/",
    "https://example.org\\@127.0.0.1/", "https://exa mple.org/", "https://example.org/\r\nHost: a",
    "https://example.org/\x00", "https://-a.example.org/", "https://a..example.org/",
    "https://example.org" + "/a" * 2000, "https://1.2.3.0x4/", "https://example.0x/",
    "https://[v1.a]/", "https://example.org:99999/", "https://example.org:443:443/",
]  # fmt: skip


@pytest.mark.parametrize("url", PRIVATE)
def test_what_is_no_plain_https_address_of_a_named_host_is_refused_unasked(url):
    def resolve(host, port):
        raise AssertionError(f"{host} was looked up")

    assert "word@" not in refused(url, Guard(resolve=resolve))


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/talk.mp3", "https://EXAMPLE.org:443/a?b=c#d",
        "https://bücher.example/å", "https://xn--bcher-kva.example/", "https://a.b-c.example.org/x%20y",
        " https://example.org. ",
    ],
)  # fmt: skip
def test_an_address_of_a_public_form_is_taken(url):
    assert web.check(url).scheme == "https"


@given(st.integers(0, 2**32 - 1), st.sampled_from(["{}", "0x{:x}", "0{:o}"]))
def test_a_number_is_never_a_host(number, form):
    with pytest.raises(WebError):
        web.check(f"https://{form.format(number)}/")


@given(st.ip_addresses())
def test_an_ip_address_is_never_a_host(address):
    host = f"[{address}]" if address.version == 6 else address
    with pytest.raises(WebError):
        web.check(f"https://{host}/")


@given(st.text(max_size=60))
@example("https://a.b]@c")
@example("https://[")
@example("https://a.b:٣")
def test_any_text_is_an_address_or_refused_in_one_sentence(text):
    for url in (text, f"https://{text}", f"https://{quote(text)}.org/"):
        try:
            parts = web.check(url)
        except WebError as error:
            assert "\n" not in str(error)
        else:
            assert parts.scheme == "https"
            assert "." in parts.host
            assert not parts.userinfo


# Where names lead


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.9.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.0.1", "100.64.0.1",
        "169.254.169.254", "192.0.0.1", "192.0.2.1", "192.88.99.1", "198.18.0.1", "203.0.113.1",
        "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1",
        "fe80::1%eth0", "fc00::1", "fd12::1", "fec0::1", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::1",
        "2002:7f00:1::", "2002:808:808::", "2001:0:4136:e378::1", "2001:db8::1", "100::1", "no",
    ],
)  # fmt: skip
def test_an_address_that_is_not_for_everybody_is_not_public(address):
    assert not web.is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_an_address_for_everybody_is_public(address):
    assert web.is_public(address)


@given(st.ip_addresses())
def test_what_is_public_is_global_and_no_group(address):
    if web.is_public(str(address)):
        inner = getattr(address, "ipv4_mapped", None) or address
        if inner.version == 4 or inner not in ipaddress.ip_network("64:ff9b::/96"):
            assert inner.is_global
            assert not inner.is_multicast


@pytest.mark.parametrize("found", [["127.0.0.1"], ["::1"], ["8.8.8.8", "10.0.0.1"], ["fe80::1%2"]])
def test_a_name_that_leads_into_a_private_network_is_not_connected_to(found):
    said = refused("https://rebound.example.org/a", Guard(resolve=lambda host, port: found))
    assert said.startswith("https://rebound.example.org/a leads into a private network")


def test_a_name_that_nobody_knows_is_said_to_be_unknown():
    def resolve(host, port):
        raise socket.gaierror(-2, "Name or service not known")

    assert "there is no such host" in refused("https://no.example.org/a", Guard(resolve=resolve))


def test_a_name_is_looked_up_once_so_that_a_second_answer_cannot_lead_elsewhere(server):
    server.answer()
    web.read(server.address(), kinds=web.MEDIA, guard=server.guard())
    assert server.lookups == [NAME]


def test_a_server_that_is_allowed_to_be_local_must_be_local(server):
    assert "private network" in refused(server.address(), server.guard(["8.8.8.8"]))


def test_the_next_address_is_tried_when_one_does_not_answer(server):
    server.answer()
    guard = server.guard(["::1", "127.0.0.1"])  # it listens on the second one only
    assert web.read(server.address(), kinds=web.MEDIA, guard=guard) == BODY


# Redirects


FORBIDDEN = [
    "http://127.0.0.1:1/", "https://127.0.0.1/", "https://169.254.169.254/latest", "file:///etc/passwd",
    "https://localhost/", "https://[::1]/", "https://2130706433/", "ftp://example.org/",
    "https://user:word@example.org/", "http://example.org/", "//0x7f.1/", "https://a.example:22/",
]  # fmt: skip


@pytest.mark.parametrize("target", FORBIDDEN)
def test_a_redirect_to_what_is_refused_is_refused(server, target):
    server.answer(status="302 Found", body=b"", Location=target)
    said = refused(server.address(), server.guard())
    assert "redirects, but" in said
    assert server.lookups == [NAME]


def test_a_redirect_to_a_name_in_a_private_network_is_not_connected_to(server):
    server.answer(status="307 Temporary", body=b"", Location="https://inside.example.org/")
    assert "leads into a private network" in refused(server.address(), server.guard())
    assert server.lookups == [NAME, "inside.example.org"]


@pytest.mark.parametrize("location", ["", "a b", "https://a\tb"])
def test_a_redirect_that_names_no_address_is_refused(server, location):
    server.answer(status="301 Moved", body=b"", Location=location)
    assert "redirects to nowhere" in refused(server.address(), server.guard())


def test_redirects_are_followed_but_not_for_ever(server):
    for number in range(5):
        server.answer(f"/{number}", "302 Found", body=b"", Location=f"/{number + 1}")
    server.answer("/5")
    assert web.read(server.address("/0"), kinds=web.MEDIA, guard=server.guard()) == BODY
    server.answer("/5", "302 Found", body=b"", Location="/0")
    assert "redirects more than 5 times" in refused(server.address("/0"), server.guard())


# Bodies


def test_a_body_that_is_announced_too_large_is_not_fetched(server):
    server.answer(Content_Length=str(10**12))
    assert "larger than 1 MB" in refused(server.address(), server.guard(), max_bytes=MEGABYTE)


def test_a_body_without_end_is_cut_and_leaves_no_file(server, tmp_path):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n"
    server.answers["/talk.mp3"] = iter([head, *[bytes(10**6)] * 200])
    with pytest.raises(WebError, match="larger than 2 MB"):
        web.fetch(server.address(), tmp_path / "talk", max_bytes=2 * MEGABYTE, guard=server.guard())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_server_that_drips_is_left_when_the_time_is_over(server, part):
    def drops():
        head = b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n"
        yield head + (b"\r\n" if part == "body" else b"")
        while not server.over.wait(0.02):
            yield b"X-a: b\r\n" if part == "head" else b"a"

    server.answers["/talk.mp3"] = drops()
    assert "took longer than 0.3 s" in refused(server.address(), server.guard(), seconds=0.3)


def test_a_body_that_ends_early_is_not_taken_for_whole(server):
    server.answer(Content_Length=str(len(BODY) + 1))
    assert "could not be fetched" in refused(server.address(), server.guard())


def test_a_packed_bomb_is_cut(server):
    bomb = gzip.compress(bytes(50 * MEGABYTE))
    server.answer(body=bomb, Content_Encoding="gzip")
    assert len(bomb) < MEGABYTE
    assert "larger than 1 MB" in refused(server.address(), server.guard(), max_bytes=MEGABYTE)


def test_a_packed_body_is_unpacked(server):
    server.answer(body=gzip.compress(BODY), Content_Encoding="gzip")
    assert web.read(server.address(), kinds=web.MEDIA, guard=server.guard()) == BODY


@pytest.mark.parametrize(
    ("body", "encoding", "said"),
    [
        (gzip.compress(BODY)[:-9], "gzip", "ends before it is whole"),
        (b"no gzip at all", "gzip", "damaged"),
        (BODY, "br", "packed as 'br'"),
        (b"", "", "gives nothing"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(server, body, encoding, said):
    server.answer(body=body, Content_Encoding=encoding)
    assert said in refused(server.address(), server.guard())


@pytest.mark.parametrize(
    ("kind", "said"), [("text/html; charset=utf-8", "is a web page"), ("image/png", "is image/png")]
)
def test_what_is_neither_sound_nor_video_is_refused(server, kind, said):
    server.answer(kind=kind)
    assert said in refused(server.address(), server.guard())


@pytest.mark.parametrize("status", ["404 None", "503 Busy", "401 No", "206 Part", "304 Same"])
def test_another_status_is_said(server, status):
    server.answer(status=status)
    assert f"status {status[:3]}" in refused(server.address(), server.guard())


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\n\r"])
def test_what_does_not_speak_http_is_refused(server, answer):
    server.answers["/talk.mp3"] = [answer]
    assert "could not be fetched" in refused(server.address(), server.guard())


def test_the_query_of_an_address_is_not_in_a_sentence(server):
    assert "secret" not in refused(server.address("/a?key=secret"), server.guard())


# Encryption


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """The file of a certificate for NAME that nobody signed; its key is beside it."""
    openssl = shutil.which("openssl")
    if openssl is None and not os.environ.get("CI"):
        pytest.skip("needs the openssl command")
    assert openssl, "install the openssl command: CI runs every test it can"
    folder = tmp_path_factory.mktemp("tls")
    make = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        f"-subj /CN=a -addext subjectAltName=DNS:{NAME} -keyout key.pem -out cert.pem"
    )
    subprocess.run([openssl, *make.split()], cwd=folder, check=True, capture_output=True)
    return folder / "cert.pem"


@pytest.fixture
def encrypted(certificate):
    """A server that speaks TLS; `names` are those that it was asked for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    server = Server(context)
    server.names = []
    context.sni_callback = lambda connection, name, _: server.names.append(name)
    yield server
    server.close()


def test_the_certificate_is_checked_for_the_name_though_the_connection_goes_to_an_address(
    encrypted, certificate
):
    encrypted.answer()
    trusting = ssl.create_default_context(cafile=certificate)
    guard = encrypted.guard(tls=trusting)
    assert web.read(encrypted.address(), kinds=web.MEDIA, guard=guard) == BODY
    assert encrypted.names == [NAME]


def test_a_server_that_shows_no_good_certificate_is_refused(encrypted):
    encrypted.answer()
    assert "certificate" in refused(encrypted.address(), encrypted.guard()).lower()
    assert encrypted.heads == []
