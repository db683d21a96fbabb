"""The server goes and comes back: everybody of ours goes on by itself, and nothing runs twice because of it."""

import datetime
import os
import signal
import subprocess
import time

import pytest
import redis
import rq
from rq import Queue
from rq_scheduler import Scheduler

import pytasks
from conftest import free_port, wait_for

pytestmark = pytest.mark.skipif(rq.VERSION.startswith("2."), reason="nothing here depends on RQ's version")

SOAK = "LULLABY_SOAK" in os.environ
# How long the server is away, and how soon all have to go on when it is back.
AWAY = 10.0 if SOAK else 1.5
SOON = 2.0
# Shorter than the outage in the normal run, so that every lease has run out when the server is back.
LEASE = "15" if SOAK else "1"


class Server:
    """A redis-server that can be stopped and started again on the same port."""

    def __init__(self, folder, *options):
        self.folder, self.options, self.port = folder, options, free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.conn = redis.Redis(port=self.port)

    def start(self):
        command = ["redis-server", "--port", self.port, "--bind", "127.0.0.1", "--save", "", "--dir", self.folder, *self.options]
        with open(self.folder / "log", "a") as log:
            self.child = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        def answers():
            try:
                return self.conn.ping()
            except redis.RedisError:
                return False

        wait_for(answers, "redis-server")

    def stop(self):
        self.child.terminate()
        self.child.wait()

    def outage(self):
        self.stop()
        time.sleep(AWAY)
        self.start()
        return time.monotonic()


@pytest.fixture
def server(programs, tmp_path, request):
    server = Server(tmp_path, *getattr(request, "param", ["--appendonly", "yes"]))
    server.start()
    programs.url = server.url
    yield server
    server.child.kill()
    server.child.wait()


def soon(since, condition, what):
    wait_for(condition, what)
    took = time.monotonic() - since
    print(f"{what}: {took:.2f} s after the server was back")
    assert took <= SOON, f"{what} took {took:.2f} s"


def lines(child):
    return child.log.with_suffix(".err").read_text()


def test_everybody_goes_on_within_two_seconds_and_no_live_job_is_rescued(server, programs):
    conn = server.conn
    workers = [programs.rust_worker("--queues", "work", "--lease", LEASE) for _ in range(2)]
    schedulers = [programs.lullaby_scheduler() for _ in range(2)]
    queue = Queue("work", connection=conn)
    entries = Scheduler("work", connection=conn)
    # It runs all through the outage, and is long enough for its lease to run out in the middle.
    long = queue.enqueue("demo.sleep", AWAY + 3, job_id="long", result_ttl=600)
    wait_for(lambda: conn.hget("rq:job:long", "status") == b"started", "the long job to start")
    wait_for(lambda: conn.zcard("lullaby:schedulers") >= 2, "both schedulers")
    # Due while nobody can look.
    during = datetime.timedelta(seconds=AWAY / 2)
    scheduled = queue.enqueue_in(during, "demo.add", 1, 2)
    entry = entries.enqueue_in(during, pytasks.add, 1, queue_name="python")
    ticks = entries.schedule(datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None), pytasks.add, [1], interval=1, queue_name="ticks")

    back = server.outage()
    late = queue.enqueue("demo.add", 3, 4)
    soon(back, lambda: conn.zscore("rq:finished:work", late.id), "a new job")
    soon(back, lambda: conn.zscore("rq:finished:work", scheduled.id), "a job that came due meanwhile")
    soon(back, lambda: conn.lrange("rq:queue:python", 0, -1) == [entry.id.encode()], "an entry that came due meanwhile")
    wait_for(lambda: conn.zscore("rq:finished:work", "long"), "the long job")
    assert conn.hget("rq:job:long", "lullaby_run").startswith(b"1 ") and not conn.hget("rq:job:long", "lullaby_lost")
    before = conn.llen("rq:queue:ticks")
    wait_for(lambda: conn.llen("rq:queue:ticks") > before, "the entry to go on ticking")
    for child in workers + schedulers:
        assert child.poll() is None
        assert "its worker is gone" not in lines(child)
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=30) == 0
    assert ticks in entries


@pytest.mark.parametrize("server", [["--appendonly", "no"]], indirect=True)
def test_a_server_that_lost_everything_knows_its_workers_again_at_once(server, programs):
    conn = server.conn
    programs.rust_worker("--queues", "work")
    programs.lullaby_scheduler()
    worker = wait_for(lambda: conn.smembers("rq:workers"), "the worker")
    back = server.outage()
    soon(back, lambda: conn.smembers("rq:workers") == worker and conn.smembers("rq:workers:work") == worker, "the worker's name")
    assert conn.hget(next(iter(worker)), "queues") == b"work"
    soon(back, lambda: conn.get("rq:scheduler_lock"), "the scheduler's lock")
    job = Queue("work", connection=conn).enqueue("demo.add", 3, 4)
    soon(back, lambda: conn.zscore("rq:finished:work", job.id), "a new job")
