"""How ours reach Redis: every kind of address, users and passwords, TLS; and what they warn of at the start."""

import json
import subprocess
import urllib.error
import urllib.request

import pytest
import redis
import rq

from conftest import BIN, certify, free_port, wait_for

pytestmark = pytest.mark.skipif(rq.VERSION.startswith("2."), reason="nothing here depends on RQ's version")

SECRET = "p@ss/word"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with TCP, TLS and a socket, on which nobody may do anything but the user `ann`."""
    folder = tmp_path_factory.mktemp("tls")
    certify(folder)
    tcp, tls, socket = free_port(), free_port(), folder / "socket"
    with open(folder / "log", "w") as log:
        child = subprocess.Popen(
            ["redis-server", "--port", str(tcp), "--tls-port", str(tls), "--bind", "127.0.0.1", "--unixsocket", str(socket), "--save", "",
             "--dir", str(folder), "--tls-cert-file", "crt", "--tls-key-file", "key", "--tls-ca-cert-file", "ca.crt", "--tls-auth-clients", "no"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )
    try:
        conn = redis.Redis(unix_socket_path=str(socket), db=3, username="ann", password=SECRET)

        def set_up():
            try:
                open_to_all = redis.Redis(unix_socket_path=str(socket))
                open_to_all.acl_setuser("ann", enabled=True, passwords=[f"+{SECRET}"], keys=["*"], channels=["*"], categories=["+@all"])
                open_to_all.acl_setuser("default", enabled=False)
                return True
            except redis.ConnectionError:
                return False

        wait_for(set_up, "redis-server")
        yield conn, {"tcp": f"127.0.0.1:{tcp}", "tls": f"localhost:{tls}", "socket": socket, "ca": str(folder / "ca.crt")}
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize("url", [
    "redis://ann:p%40ss%2Fword@{tcp}/3",
    "redis://ann:p%40ss%2Fword@{tcp}?db=3",
    "rediss://ann:p%40ss%2Fword@{tls}/3",
    "unix://{socket}?db=3&user=ann&pass=p%40ss%2Fword",
    "unix://ann:p%40ss%2Fword@{socket}?db=3",
])
def test_a_job_goes_round_by_each_kind_of_address(server, programs, url):
    conn, places = server
    conn.flushdb()
    url, trust = url.format(**places), {"SSL_CERT_FILE": places["ca"]}
    programs.run(BIN / "lullaby", "--redis", url, "enqueue", "--id", "one", "demo.add", "1", "b=2", **trust)
    assert conn.lrange("rq:queue:default", 0, -1) == [b"one"]
    programs.run(BIN / "examples" / "worker", "--url", url, "--burst", **trust)
    assert conn.zscore("rq:finished:default", "one")


def test_the_game_keeps_its_pets_on_a_server_that_speaks_tls(server, programs, tmp_path):
    conn, places = server
    conn.flushdb()
    port = free_port()
    programs.start(
        BIN / "virtual-pet", "--store", f"rediss://ann:p%40ss%2Fword@{places['tls']}/3", "--listen", f"127.0.0.1:{port}",
        SSL_CERT_FILE=places["ca"],
    )

    def asks(path, pet=None):
        body = json.dumps(pet).encode() if pet else None
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)
        except urllib.error.URLError:
            return None

    wait_for(lambda: asks("/api/pets", {"name": "Mochi", "species": "cat", "colour": "peach"}), "the game")
    assert asks("/api/pets/Mochi")["name"] == "Mochi"
    wait_for(lambda: conn.smembers("rq:workers"), "its worker")


@pytest.mark.parametrize("url, part", [
    ("redis://ann:wr0ng@{tcp}/3", "authentication failed"),
    # Without the authority's certificate.
    ("rediss://ann:wr0ng@{tls}/3", "certificate"),
    ("redis://ann:wr0ng@127.0.0.1:1/3", "refused"),
    ("redis://ann:wr0ng@{tcp}?dbx=3", "dbx"),
])
def test_what_cannot_be_reached_is_said_without_the_password(server, programs, url, part):
    child = programs.start(BIN / "lullaby", "--redis", url.format(**server[1]), "info")
    assert child.wait(timeout=30) == 2
    said = child.log.with_suffix(".err").read_text()
    assert part.lower() in said.lower() and "wr0ng" not in said, said


def test_a_server_that_may_lose_jobs_is_warned_of_at_the_start(programs, tmp_path):
    port = free_port()
    server = programs.start(
        "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", tmp_path, "--maxmemory", "100mb",
        "--maxmemory-policy", "allkeys-lru",
    )
    conn = redis.Redis(port=port)

    def answers():
        try:
            return conn.ping()
        except redis.ConnectionError:
            return False

    wait_for(answers, "redis-server")
    conn.sadd("rq:workers", "rq:worker:new")
    conn.hset("rq:worker:new", mapping={"version": "4.1.0", "queues": "default", "birth": "2026-11-25T12:00:00.000000Z"})
    child = programs.start(BIN / "lullaby", "scheduler", "-p", port, "-H", "127.0.0.1", "--burst")
    assert child.wait(timeout=30) == 0
    said = child.log.with_suffix(".err").read_text()
    for part in ("maxmemory-policy is allkeys-lru", "loses every job", "RQ 4.1.0"):
        assert part in said, said
    assert server.poll() is None
