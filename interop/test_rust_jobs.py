"""Jobs that ours makes, run by Python's workers; and what ours then sees of them."""

import json

import pytest
from rq import Queue, SimpleWorker
from rq.exceptions import NoSuchJobError
from rq.job import Job

import demo
from conftest import BIN, now_of, wait_for


@pytest.fixture(params=["pickle", "json"])
def serializer(request):
    return request.param


@pytest.fixture
def make(programs, serializer):
    """Puts a job of ours in; answers its id."""

    def make(task, args=(), kwargs=None, *options):
        flags = ["--json"] if serializer == "json" else []
        return programs.rust_enqueue(*flags, *options, task, json.dumps(list(args)), json.dumps(kwargs or {}))

    return make


@pytest.fixture
def work(conn, serializer):
    """Runs what waits, as `rq worker --burst` does."""

    def work():
        queue = Queue("default", connection=conn, serializer=serializer)
        SimpleWorker([queue], connection=conn, serializer=serializer).work(burst=True, logging_level="ERROR")

    return work


@pytest.fixture
def fetch(conn, serializer):
    return lambda job: Job.fetch(job, connection=conn, serializer=serializer)


def seen(programs, job):
    return json.loads(programs.lullaby("--json", "job", job))


def test_arguments_and_results_go_both_ways(make, work, fetch, programs):
    values = [None, True, -1, 2**40, 0.1, "", "né €", [], {}, [1, [2, {"a": None}]], {"a": {"b": [1.5]}}]
    jobs = [make("demo.echo", [values]), make("demo.echo", kwargs={"value": values})]
    total = make("demo.add", [1], {"b": 2})
    work()
    assert [fetch(job).return_value() for job in jobs] == [values] * 2
    assert fetch(total).return_value() == 3
    shown = seen(programs, jobs[0])
    assert shown["status"] == "finished" and shown["result"] == values


def test_python_sees_the_call_as_its_own(make, fetch, conn, serializer):
    job = fetch(make("demo.add", [1], {"b": 2}, "--timeout", "60", "--result-ttl", "30", "--failure-ttl", "40"))
    assert (job.func_name, job.args, job.kwargs) == ("demo.add", [1] if serializer == "json" else (1,), {"b": 2})
    assert job.func is demo.add and job.description == "demo.add(1, b=2)"
    assert (job.timeout, job.result_ttl, job.failure_ttl) == (60, 30, 40)
    assert job.get_status() == "queued" and job.origin == "default" and job.created_at <= job.enqueued_at
    assert Queue("default", connection=conn, serializer=serializer).get_job_ids() == [job.id]
    assert Queue.all(connection=conn) == [Queue("default", connection=conn)]


def test_a_failure_of_pythons_is_seen_with_its_traceback(make, work, fetch, programs):
    job = make("demo.fail", ["no such luck"])
    work()
    assert fetch(job).get_status() == "failed"
    shown = seen(programs, job)
    assert shown["status"] == "failed"
    assert "Traceback" in shown["error"] and "ValueError: no such luck" in shown["error"]


def test_retries_that_ours_asked_for_are_pythons_to_make(make, work, fetch, conn):
    job = make("demo.fail", ["again"], None, "--retry", "2", "--retry-after", "0,60")
    work()
    # The first at once, the second in a minute.
    assert fetch(job).get_status() == "scheduled" and fetch(job).retries_left == 0
    assert 50 < conn.zscore("rq:scheduled:default", job) - now_of(conn) <= 61


def test_a_job_that_failed_on_both_sides_counts_for_both(make, work, fetch, programs):
    job = make("demo.fail", ["again"], None, "--retry", "2", "--retry-after", "0,100")
    # Once by Python, then once by ours, and no more.
    work()
    assert fetch(job).get_status() == "scheduled"
    programs.lullaby("requeue", job)
    # Requeued by ours: from the beginning.
    assert fetch(job).retries_left == 2
    programs.rust_worker("--burst").wait(30)
    assert fetch(job).get_status() == "scheduled" and fetch(job).retries_left == 0
    assert seen(programs, job)["failures"] == 2


def test_a_timeout_that_ours_asked_for_is_pythons_to_keep(make, work, fetch):
    job = make("demo.sleep", [60], None, "--timeout", "1")
    work()
    assert fetch(job).get_status() == "failed"
    assert "JobTimeoutException" in fetch(job).latest_result().exc_string


def test_times_to_live_are_pythons_to_keep(make, work, fetch, conn):
    kept, gone = (make("demo.add", [1, 2], None, "--result-ttl", ttl) for ttl in ("-1", "0"))
    late = make("demo.count", ["late"], None, "--ttl", "0.5")
    minute = make("demo.add", [1, 2], None, "--result-ttl", "60")
    wait_for(lambda: now_of(conn) > fetch(late).created_at.timestamp() + 1, "the time to live")
    programs_sweep = conn.exists(f"rq:job:{late}")
    work()
    assert conn.ttl(f"rq:job:{kept}") == -1 and 0 < conn.ttl(f"rq:job:{minute}") <= 60
    with pytest.raises(NoSuchJobError):
        fetch(gone)
    assert programs_sweep  # The server's own time is a minute longer: until ours sweeps, Python may still run it.


def test_at_front_is_first_for_python(make, conn):
    last, first = make("demo.add", [1, 2]), make("demo.add", [1, 2], None, "--at-front")
    assert conn.lrange("rq:queue:default", 0, -1) == [first.encode(), last.encode()]


def test_notes_are_read_and_written_by_python(make, work, fetch, programs):
    job = make("pytasks.note", ["progress", 50], None, "--meta", '{"user": "ann", "n": [1, null]}')
    work()
    notes = {"user": "ann", "n": [1, None], "progress": 50}
    assert fetch(job).get_meta() == notes and seen(programs, job)["meta"] == notes


def test_ours_withdraws_what_waits(make, work, fetch, conn, programs):
    job = make("demo.count", ["canceled"])
    programs.lullaby("cancel", job)
    work()
    assert fetch(job).get_status() == "canceled" and not conn.exists("demo:count:canceled")
    assert conn.zscore("rq:canceled:default", job)


def test_ours_stops_what_a_python_worker_runs(make, fetch, programs, serializer):
    job = make("demo.sleep", [60])
    programs.rq_worker("--serializer", f"rq.serializers.{'JSON' if serializer == 'json' else 'Default'}Serializer")
    wait_for(lambda: fetch(job).get_status() == "started", "the job to start")

    # RQ's worker obeys only once it has noted which job it runs, so that one may have to say it again.
    def stopped():
        programs.start(BIN / "lullaby", "--redis", programs.url, "cancel", job).wait(10)
        return fetch(job).get_status() == "stopped"

    wait_for(stopped, "the job to stop")
    assert seen(programs, job)["status"] == "stopped"


def test_ours_requeues_what_failed_at_pythons(make, work, fetch, conn, programs):
    job = make("demo.fail", ["again"])
    work()
    programs.lullaby("requeue", job)
    assert fetch(job).get_status() == "queued" and conn.ttl(f"rq:job:{job}") == -1
    first = fetch(job).latest_result().id
    work()
    assert fetch(job).get_status() == "failed" and fetch(job).latest_result().id != first


def test_python_cancels_deletes_and_requeues_jobs_of_ours(make, fetch, conn, programs):
    canceled, deleted, failed = make("demo.count", ["a"]), make("demo.count", ["b"]), make("demo.fail", ["c"])
    fetch(canceled).cancel()
    fetch(deleted).delete()
    programs.rust_worker("--burst").wait(30)
    assert not conn.exists("demo:count:a") and not conn.exists("demo:count:b")
    assert not conn.exists(f"rq:job:{deleted}")
    fetch(failed).requeue()
    assert fetch(failed).get_status() == "queued"
    programs.rust_worker("--burst").wait(30)
    assert fetch(failed).get_status() == "failed"


def test_what_ours_scheduled_is_run_by_pythons_scheduler(conn, programs):
    due = now_of(conn) + 1
    job = programs.rust_enqueue("--in", "1", "demo.count", '["later"]')
    assert Job.fetch(job, connection=conn).get_status() == "scheduled"
    registry = Queue("default", connection=conn).scheduled_job_registry
    assert abs(registry.get_scheduled_time(job).timestamp() - due) < 1
    programs.rq_worker("--with-scheduler", "default")
    wait_for(lambda: Job.fetch(job, connection=conn).get_status() == "finished", "the job")
    assert conn.get("demo:count:later") == b"1"
    assert Job.fetch(job, connection=conn).started_at.timestamp() >= due - 0.01


def test_schedulers_of_pythons_and_ours_side_by_side_move_each_job_once(conn, programs):
    queue = Queue("default", connection=conn)
    programs.rq_worker("--with-scheduler", "default")
    for _ in range(2):
        programs.rust_worker("--scheduler", "--queues", "default,other")
    wait_for(lambda: conn.exists("rq:scheduler-lock:default"), "a scheduler")
    from datetime import timedelta

    for number in range(50):
        queue.enqueue_in(timedelta(seconds=1), "demo.count", f"theirs{number}")
    for number in range(5):
        programs.rust_enqueue("--in", "1", "demo.count", f'["ours{number}"]')
    wait_for(lambda: conn.zcard("rq:finished:default") == 55, "all jobs")
    assert {conn.get(f"demo:count:theirs{number}") for number in range(50)} == {b"1"}
    assert {conn.get(f"demo:count:ours{number}") for number in range(5)} == {b"1"}
