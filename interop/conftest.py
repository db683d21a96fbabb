"""A real redis-server for all tests, emptied for each; and the programs that the tests start, ended after each."""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest
import redis

HERE = pathlib.Path(__file__).parent
BIN = pathlib.Path(os.environ["LULLABY_BIN"]).resolve()
PYTHON_BIN = pathlib.Path(sys.executable).parent

# Long, for a busy machine; a test that passes never waits for it.
PATIENCE = 30.0


def wait_for(condition, what, patience=PATIENCE):
    """The first true answer of `condition`, asked again and again until the deadline."""
    deadline = time.monotonic() + patience
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"waited {patience} s in vain for {what}"
        time.sleep(0.01)


def now_of(conn):
    """The server's time."""
    seconds, micros = conn.time()
    return seconds + micros / 1e6


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory):
    port = free_port()
    folder = tmp_path_factory.mktemp("redis")
    with open(folder / "log", "w") as log:
        server = subprocess.Popen(
            ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )
    try:
        probe = redis.Redis(port=port)

        def answers():
            try:
                return probe.ping()
            except redis.ConnectionError:
                return False

        wait_for(answers, "redis-server")
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def conn(redis_url):
    connection = redis.Redis.from_url(redis_url)
    connection.flushall()
    return connection


def certify(folder):
    """Makes a certificate of an authority of our own: `crt` and `key` for localhost, `ca.crt` for those who shall trust it."""

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=tests", "-days", "2")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "key", "-out", "request", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName=DNS:localhost")
    openssl("x509", "-req", "-in", "request", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-out", "crt", "-days", "2", "-extfile", "names")


class Programs:
    """Child processes with their output in files, killed after the test."""

    def __init__(self, folder, url):
        self.folder, self.url, self.children = folder, url, []

    def start(self, *command, cwd=HERE, **variables):
        log = open(self.folder / f"{len(self.children)}.out", "w")
        errors = open(self.folder / f"{len(self.children)}.err", "w")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("RQ_", "LULLABY_"))}
        environment |= {"PYTHONPATH": str(HERE), "RUST_LOG": "info", "TEST_REDIS": self.url} | variables
        child = subprocess.Popen(
            [str(part) for part in command], cwd=cwd, env=environment,
            stdin=subprocess.DEVNULL, stdout=log, stderr=errors, start_new_session=True,
        )
        child.log = pathlib.Path(log.name)
        log.close()
        errors.close()
        self.children.append(child)
        return child

    def run(self, *command, code=0, **variables):
        """Runs a program to its end; answers what it printed."""
        child = self.start(*command, **variables)
        ended = child.wait(timeout=60)
        assert ended == code, f"{command} ended with {ended}: {child.log.with_suffix('.err').read_text()}"
        return child.log.read_text()

    def rq_worker(self, *arguments):
        return self.start(PYTHON_BIN / "rq", "worker", "--url", self.url, *arguments)

    def rq(self, verb, *arguments):
        return self.run(PYTHON_BIN / "rq", verb, "--url", self.url, *arguments)

    def lullaby(self, *arguments, code=0):
        return self.run(BIN / "lullaby", "--redis", self.url, *arguments, code=code)

    def lullaby_scheduler(self, *arguments):
        return self.start(BIN / "lullaby", "--redis", self.url, "scheduler", *arguments)

    def rust_enqueue(self, *arguments):
        """Puts a job of ours in; answers its id."""
        return self.run(BIN / "examples" / "enqueue", "--url", self.url, *arguments).strip()

    def rust_worker(self, *arguments):
        return self.start(BIN / "examples" / "worker", "--url", self.url, *arguments)

    def end_all(self):
        for child in self.children:
            try:
                # The whole group: RQ's worker forks.
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            child.wait()


@pytest.fixture
def programs(tmp_path, redis_url):
    programs = Programs(tmp_path, redis_url)
    yield programs
    programs.end_all()
