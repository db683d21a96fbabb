"""The command on a Redis that Python uses, too."""

import datetime
import json
import os
import pty
import subprocess

import pytest
import rq
from rq import Queue
from rq_scheduler import Scheduler

import pytasks
from conftest import BIN, wait_for

pytestmark = pytest.mark.skipif(rq.VERSION.startswith("2."), reason="nothing here depends on RQ's version")


def test_info_reads_as_rq_info_and_advises(conn, programs):
    queue = Queue("high", connection=conn)
    for _ in range(3):
        queue.enqueue(pytasks.add, 1)
    queue.enqueue("pytasks.add", "not a number", 1, job_id="bad")
    Scheduler("low", connection=conn).enqueue_in(datetime.timedelta(hours=1), pytasks.add, 1)
    programs.rust_worker("--queues", "others")
    wait_for(lambda: conn.smembers("rq:workers"), "the worker")
    text = programs.lullaby("info")
    for part in (
        "high |████ 4, 0 executing, 0 finished, 0 failed", "1 queue, 4 jobs total", "idle; others; seen", "1 of rq-scheduler's",
        "! neither appendonly nor save is set", "! hash-max-listpack-value is 64; 512", "! stream-node-max-bytes is 4096; 256",
    ):
        assert part in text, text
    assert "\x1b" not in text
    facts = json.loads(programs.lullaby("--json", "info"))
    assert facts["queues"][0]["counts"] == {"queued": 4} and facts["rq_scheduler_entries"] == 1 and len(facts["advice"]) == 3


@pytest.mark.parametrize("no_color", ["", "1"])
def test_colours_are_for_terminals_and_for_those_who_want_them(conn, programs, no_color):
    Queue("high", connection=conn).enqueue(pytasks.add, 1)
    ours, theirs = pty.openpty()
    subprocess.run([BIN / "lullaby", "--redis", programs.url, "info"], stdout=theirs, check=True, env={"NO_COLOR": no_color, "TERM": "xterm"})
    os.close(theirs)
    text = b""
    try:
        while chunk := os.read(ours, 4096):
            text += chunk
    except OSError:
        pass  # As Linux ends it.
    assert "█".encode() in text and (b"\x1b[32m" in text) == (no_color == "")


def test_schedules_of_both_kinds_are_listed_with_their_owners(conn, programs):
    scheduler = Scheduler("low", connection=conn)
    entry = scheduler.cron("0 9 * * *", func=pytasks.add, args=[1], kwargs={"b": 2}, repeat=5)
    programs.lullaby("schedule", "add", "ours", "demo.echo", "--every", "1d")
    text = programs.lullaby("schedule", "list")
    ours, foreign = (next(line for line in text.splitlines() if line.startswith(name)) for name in ("ours", entry.id))
    assert "person" in ours
    assert "rq-scheduler" in foreign and "0 9 * * *, 5 left" in foreign and "pytasks.add(1, b=2)" in foreign
    assert text.splitlines()[-1] == "2 of 2"
    listed = json.loads(programs.lullaby("--json", "schedule", "list"))["foreign"]
    assert [(one["id"], one["queue"], one["function"]) for one in listed] == [(entry.id, "low", "pytasks.add")]


def test_a_jobs_page_tells_its_call_its_runs_by_whomever_and_why_it_waits(conn, programs):
    from rq.rate_limit import RateLimit

    queue = Queue("work", connection=conn)
    queue.enqueue("demo.fail", message="no milk", job_id="bad")
    queue.enqueue("demo.add", 1, 2, job_id="good")
    programs.rq_worker("--burst", "--worker-class", "rq.SimpleWorker", "--name", "python", "work").wait(30)
    programs.lullaby("requeue", "bad", "good")
    programs.rust_worker("--queues", "work", "--burst").wait(30)
    text = programs.lullaby("job", "bad")
    for part in ('call        demo.fail(message="no milk")', "failed: no try is left", "failed on python: ValueError: no milk", "error       no milk"):
        assert part in text, text
    told = json.loads(programs.lullaby("--json", "job", "good"))
    assert [(run["outcome"], run["worker"] == "python") for run in told["history"]] == [("finished", True), ("finished", False)]
    assert all(run["started_at"] and run["ended_at"] for run in told["history"]), told["history"]
    assert (told["args"], told["result"], told["why"]) == ([1, 2], 3, "it is done")
    for id in ("holds", "waits"):
        queue.enqueue("demo.add", 1, 2, job_id=id, rate_limit=RateLimit("api", 1))
    assert "rate_limited: it waits for a free slot of its rate limit" in programs.lullaby("job", "waits")
    assert "1 rate_limited" in programs.lullaby("info")


def test_stop_is_for_jobs_that_run(conn, programs):
    queue = Queue("work", connection=conn)
    waiting = queue.enqueue_in(datetime.timedelta(hours=1), "demo.add", 1, 2)
    assert "does not run, it is scheduled" in programs.lullaby("stop", waiting.id, code=1)
    assert "no such job" in programs.lullaby("stop", "nobody", code=1)
    running = queue.enqueue("demo.sleep", 60)
    programs.rust_worker("--queues", "work")
    wait_for(lambda: conn.hget(f"rq:job:{running.id}", "status") == b"started", "the job to start")
    assert "was asked to stop" in programs.lullaby("stop", running.id)
    wait_for(lambda: conn.hget(f"rq:job:{running.id}", "status") == b"stopped", "the job to stop")
    assert waiting.get_status() == "scheduled"


def test_a_call_is_written_for_the_fleet_that_reads_it(conn, programs, tmp_path):
    from rq.job import Job
    from rq.serializers import JSONSerializer

    programs.lullaby("enqueue", "--id", "json", "--serializer", "json", "pytasks.add", "1", "b=2")
    programs.lullaby("enqueue", "--id", "pickle", "--serializer", "pickle", "pytasks.add", "1", "b=2")
    for id, serializer in (("json", JSONSerializer), ("pickle", None)):
        job = Job.fetch(id, connection=conn, serializer=serializer)
        assert (job.func_name, tuple(job.args), job.kwargs) == ("pytasks.add", (1,), {"b": 2})
    (tmp_path / "jobs.db").touch()
    refused = programs.start(BIN / "lullaby", "--store", f"sqlite:{tmp_path}/jobs.db", "enqueue", "--serializer", "json", "pytasks.add")
    assert refused.wait(timeout=30) == 2


def test_what_is_in_quarantine_is_listed_restored_and_dropped(conn, programs):
    queue = Queue("work", connection=conn)
    mended, lost = queue.enqueue("demo.add", 1, 2), queue.enqueue("demo.add", 3, 4)
    data = conn.hget(f"rq:job:{mended.id}", "data")
    for job in (mended, lost):
        conn.hset(f"rq:job:{job.id}", "data", b"garbage")
    programs.rust_worker("--queues", "work")
    wait_for(lambda: conn.hlen("lullaby:quarantine") == 2, "both in quarantine")
    listed = programs.lullaby("quarantine")
    assert mended.id in listed and lost.id in listed and listed.endswith("2 of 2\n")
    assert "2 jobs in quarantine" in programs.lullaby("info")
    conn.hset(f"rq:job:{mended.id}", "data", data)
    assert "in its queue again" in programs.lullaby("quarantine", "restore", mended.id)
    wait_for(lambda: conn.zscore("rq:finished:work", mended.id), "the mended job")
    assert "deleted" in programs.lullaby("quarantine", "drop", lost.id)
    assert not conn.exists(f"rq:job:{lost.id}", "lullaby:quarantine")
    assert "not in quarantine" in programs.lullaby("quarantine", "drop", mended.id, code=1)
    assert conn.exists(f"rq:job:{mended.id}")
