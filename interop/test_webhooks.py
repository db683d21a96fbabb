"""Webhooks both ways: a job of Python's run by ours tells receivers what RQ would tell them, and the other way round."""

import collections
import datetime
import http.server
import json
import ssl
import threading

import pytest
from rq import Queue, Retry, SimpleWorker, Webhook
from rq.job import Job

import pytasks
from conftest import BIN, certify

Received = collections.namedtuple("Received", "method path headers body")


class Receiver:
    """An HTTP server that notes what it is sent."""

    def __init__(self):
        received = self.received = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
                received.append(Received(self.command, self.path, dict(self.headers), body))
                self.send_response(500 if self.path == "/broken" else 204)
                self.end_headers()

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def speak_tls(self, folder):
        certify(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "crt", folder / "key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.port}"

    def start(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self):
        taken = list(self.received)
        self.received.clear()
        return taken


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


@pytest.fixture
def listening(receiver):
    receiver.start()
    return receiver


@pytest.fixture
def queue(conn):
    return Queue("default", connection=conn)


def run_by_rq(queue):
    SimpleWorker([queue], connection=queue.connection).work(burst=True, logging_level="ERROR")


def run_by_ours(programs, **variables):
    programs.run(BIN / "examples" / "worker", "--url", programs.url, "--burst", **variables)


def hooks(url, **options):
    return [
        Webhook(f"{url}/{status}/{method}", status, method=method, **options)
        for status in ("finished", "failed") for method in ("GET", "POST")
    ]


def are_the_same(text, instant):
    """Ours are whole milliseconds."""
    said = datetime.datetime.fromisoformat(text)
    assert said.isoformat() == text
    return abs(said - instant) < datetime.timedelta(milliseconds=1)


@pytest.mark.parametrize("task, args", [("demo.add", (1, 2)), ("demo.fail", ("no “milk”\n",))])
def test_ours_sends_what_rq_sends(conn, queue, programs, listening, task, args):
    sent = []
    for ours in (False, True):
        conn.flushall()
        key = {"X-Key": "7", "n": 1}
        queue.enqueue(task, *args, job_id="job", webhooks=hooks(listening.url) + hooks(listening.url, headers=key))
        if ours:
            run_by_ours(programs)
        else:
            run_by_rq(queue)
        received = listening.take()
        job = Job.fetch("job", connection=conn)
        for one in received:
            agent = one.headers.pop("User-Agent")
            assert agent.startswith("lullaby/" if ours else "Python-urllib/")
            if one.method == "GET":
                assert one.body == "" and "Content-Length" not in one.headers
                continue
            assert int(one.headers.pop("Content-Length")) == len(one.body)
            body = json.loads(one.body)
            # As Python writes it, to the byte.
            assert json.dumps(body) == one.body
            assert are_the_same(body["enqueued_at"], job.enqueued_at) and are_the_same(body["ended_at"], job.ended_at)
            if "exc_info" in body:
                assert body["exc_info"].strip() == job.latest_result().exc_string.strip() and args[0].strip() in body["exc_info"]
        sent.append([
            one._replace(headers=sorted(one.headers.items()), body=one.body and list(json.loads(one.body))) for one in received
        ])
    theirs, mine = sent
    assert len(theirs) == 4 and mine == theirs


def test_python_sends_what_ours_asks_for(conn, queue, programs, listening):
    for id in ("echo", "fail"):
        programs.lullaby(
            "enqueue", "--id", id, "--webhook", f"finished={listening.url}/f", "--webhook", f"failed={listening.url}/x", f"demo.{id}", "no"
        )
    hooks = [
        Webhook(f"{listening.url}/f", "finished", method="POST"), Webhook(f"{listening.url}/x", "failed", method="POST")
    ]
    assert Job.fetch("echo", connection=conn).webhooks == hooks
    theirs = queue.enqueue("demo.add", 1, webhooks=hooks)
    assert conn.hget("rq:job:echo", "webhooks") == conn.hget(f"rq:job:{theirs.id}", "webhooks")
    theirs.delete()
    run_by_rq(queue)
    told = [(one.path, json.loads(one.body)["job_id"]) for one in listening.take()]
    assert told == [("/f", "echo"), ("/x", "fail")]


def test_a_retry_of_pythons_is_told_to_nobody(queue, programs, listening):
    queue.enqueue("demo.fail", "no", webhooks=hooks(listening.url), retry=Retry(max=1, interval=600))
    run_by_ours(programs)
    assert listening.take() == []


def test_a_job_that_only_python_could_run_has_failed_without_python(queue, programs, listening):
    queue.enqueue(pytasks.name_of, pytasks.Pet("Mochi"), webhooks=hooks(listening.url))
    run_by_ours(programs)
    get, post = listening.take()
    assert (get.path, post.path) == ("/failed/GET", "/failed/POST")
    body = json.loads(post.body)
    assert body["func_name"] == "pytasks.name_of" and "only a Python worker" in body["exc_info"]


def test_webhooks_that_cannot_be_read_are_left_out_as_in_rq(conn, queue, programs, listening):
    for id, wrong in (("one", b"nonsense"), ("two", b'[{"url": "/", "job_status": "finished"}]'), ("three", b"\xff")):
        queue.enqueue("demo.add", 1, 2, job_id=id, webhooks=hooks(listening.url))
        conn.hset(f"rq:job:{id}", "webhooks", wrong)
    run_by_ours(programs)
    assert listening.take() == []
    assert conn.zcard("rq:finished:default") == 3


def test_a_receiver_that_is_broken_harms_nothing(conn, queue, programs, listening):
    job = queue.enqueue("demo.add", 1, 2, webhooks=[Webhook(f"{listening.url}/broken", "finished", headers={"key": "s3cret"})])
    run_by_ours(programs)
    assert len(listening.take()) == 1 and job.return_value() == 3
    log = programs.children[-1].log.with_suffix(".err").read_text()
    assert "500" in log and listening.url in log
    # What may be a secret stands in no log.
    assert "s3cret" not in log and "/broken" not in log


def test_receivers_by_tls_are_believed_by_their_certificate(conn, queue, programs, receiver, tmp_path):
    receiver.speak_tls(tmp_path)
    receiver.start()
    for trust, paths in (({}, []), ({"SSL_CERT_FILE": str(tmp_path / "ca.crt")}, ["/finished/GET", "/finished/POST"])):
        queue.enqueue("demo.add", 1, 2, webhooks=hooks(receiver.url))
        run_by_ours(programs, **trust)
        assert [one.path for one in receiver.take()] == paths
    assert conn.zcard("rq:finished:default") == 2
