"""Jobs that cross the border: Python's to a Rust worker, ours to Python's, with both serializers."""

import datetime
import os
import pickle
import zlib

import pytest
from rq import Queue, Retry, Worker
from rq.command import send_stop_job_command
from rq.job import Job
from rq.registry import (
    CanceledJobRegistry, FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry, StartedJobRegistry,
)
from rq.suspension import resume, suspend

import pytasks
from conftest import PYTHON_BIN, wait_for


@pytest.fixture(params=["pickle", "json"])
def serializer(request):
    return request.param


@pytest.fixture
def queue(conn, serializer):
    return Queue("default", connection=conn, serializer=serializer)


def status(job):
    return str(job.get_status(refresh=True).value)


def wait_status(job, wanted):
    wait_for(lambda: status(job) == wanted, f"{job.id} to be {wanted}; it is {status(job)}")


def fresh(queue, job):
    return Job.fetch(job.id, connection=queue.connection, serializer=queue.serializer)


# Python puts in, Rust runs.


def test_a_rust_worker_runs_a_python_job_and_python_reads_its_result(queue, programs):
    job = queue.enqueue("demo.add", 1, b=2)
    echo = queue.enqueue("demo.echo", {"é": [None, 1.5, True, 2**40, "x" * 300]})
    programs.rust_worker("--burst")
    wait_status(echo, "finished")
    wait_status(job, "finished")
    assert job.return_value(refresh=True) == 3
    assert echo.return_value(refresh=True) == {"é": [None, 1.5, True, 2**40, "x" * 300]}
    done = fresh(queue, job)
    assert done.started_at and done.ended_at and done.worker_name
    assert FinishedJobRegistry(queue=queue).get_job_ids() == sorted([job.id, echo.id]) or len(FinishedJobRegistry(queue=queue)) == 2
    assert len(StartedJobRegistry(queue=queue)) == 0
    assert 0 < queue.connection.ttl(f"rq:job:{job.id}") <= 500


def test_a_failure_has_its_text_where_python_looks(queue, programs):
    job = queue.enqueue("demo.fail", "no milk left")
    programs.rust_worker("--burst")
    wait_status(job, "failed")
    result = job.latest_result()
    assert result.type == result.Type.FAILED and "no milk left" in result.exc_string
    assert FailedJobRegistry(queue=queue).get_job_ids() == [job.id]


def test_pythons_retry_is_honoured(queue, programs):
    job = queue.enqueue("demo.flaky", 2, retry=Retry(max=3, interval=[0, 1]))
    programs.rust_worker("--scheduler")
    wait_status(job, "finished")
    assert job.return_value(refresh=True) == 3
    assert fresh(queue, job).retries_left == 1


def test_pythons_timeout_is_honoured(queue, programs):
    job = queue.enqueue("demo.sleep", 60, job_timeout=1)
    programs.rust_worker()
    wait_status(job, "failed")
    assert "1" in job.latest_result().exc_string


def test_times_to_live_are_honoured(queue, programs):
    gone = queue.enqueue("demo.add", 1, 1, result_ttl=0)
    kept = queue.enqueue("demo.add", 1, 1, result_ttl=-1)
    failed = queue.enqueue("demo.fail", "x", failure_ttl=77)
    programs.rust_worker("--burst")
    wait_status(kept, "finished")
    wait_status(failed, "failed")
    wait_for(lambda: not Job.exists(gone.id, queue.connection), "the job to be gone")
    assert queue.connection.ttl(f"rq:job:{kept.id}") == -1
    assert 0 < queue.connection.ttl(f"rq:job:{failed.id}") <= 77


def test_at_front_is_run_first(queue, programs):
    first, second = queue.enqueue("demo.echo", 1), queue.enqueue("demo.echo", 2, at_front=True)
    programs.rust_worker("--burst", "--concurrency", "1")
    wait_status(first, "finished")
    assert fresh(queue, second).started_at <= fresh(queue, first).started_at


def test_meta_stays_as_python_wrote_it(queue, programs):
    job = queue.enqueue("demo.add", 1, 1, meta={"user": "ann", "n": 3})
    programs.rust_worker("--burst")
    wait_status(job, "finished")
    assert fresh(queue, job).get_meta() == {"user": "ann", "n": 3}


def test_a_canceled_and_a_deleted_job_do_not_run(queue, programs):
    canceled, deleted = queue.enqueue("demo.echo", 1), queue.enqueue("demo.echo", 2)
    canceled.cancel()
    deleted.delete()
    last = queue.enqueue("demo.echo", 3)
    programs.rust_worker("--burst")
    wait_status(last, "finished")
    assert status(canceled) == "canceled"
    assert CanceledJobRegistry(queue=queue).get_job_ids() == [canceled.id]
    assert not Job.exists(deleted.id, queue.connection)


def test_a_job_that_failed_here_is_requeued_by_python(queue, serializer, programs):
    job, other = queue.enqueue("demo.fail", "x"), queue.enqueue("demo.fail", "y")
    programs.rust_worker("--burst")
    wait_status(job, "failed")
    wait_status(other, "failed")
    programs.rq("requeue", "-q", "default", "-S", serializer, other.id)
    job.requeue()
    assert status(job) == status(other) == "queued"
    assert sorted(queue.job_ids) == sorted([job.id, other.id])
    programs.rust_worker("--burst")
    wait_status(job, "failed")
    wait_status(other, "failed")


def test_python_stops_a_running_job(queue, programs):
    job = queue.enqueue("demo.sleep", 600)
    programs.rust_worker()
    wait_status(job, "started")
    wait_for(lambda: fresh(queue, job).worker_name, "the worker's name")
    send_stop_job_command(queue.connection, job.id, serializer=queue.serializer)
    wait_status(job, "stopped")
    assert FailedJobRegistry(queue=queue).get_job_ids() == [job.id]


def test_suspended_workers_rest_until_they_resume(queue, programs):
    suspend(queue.connection)
    programs.rust_worker()
    wait_for(lambda: Worker.all(connection=queue.connection), "the worker")
    job = queue.enqueue("demo.add", 1, 1)
    resume(queue.connection)
    wait_status(job, "finished")


def test_python_sees_the_worker(queue, serializer, programs):
    job = queue.enqueue("demo.sleep", 600)
    worker = programs.rust_worker()
    wait_status(job, "started")
    seen = wait_for(lambda: Worker.all(connection=queue.connection, serializer=queue.serializer), "the worker")[0]
    assert seen.queue_names() == ["default"] and seen.pid == worker.pid
    assert Queue.all(connection=queue.connection) == [queue]
    text = programs.rq("info")
    assert "1 workers, 1 queues" in text
    worker.terminate()
    worker.terminate()


def test_python_schedules_and_a_rust_worker_moves_it_on_time(queue, programs):
    job = queue.enqueue_in(datetime.timedelta(seconds=1), "demo.add", 2, 2)
    assert ScheduledJobRegistry(queue=queue).get_job_ids() == [job.id]
    due = queue.connection.zscore("rq:scheduled:default", job.id)
    programs.rust_worker("--scheduler")
    wait_status(job, "finished")
    assert fresh(queue, job).started_at.timestamp() >= due


def test_arguments_that_only_python_understands_stay_pythons(conn, programs):
    queue = Queue("default", connection=conn)
    programs.rust_worker()
    programs.rq_worker("default")
    wait_for(lambda: len(Worker.all(connection=conn)) == 2, "both workers")
    pets = [queue.enqueue(pytasks.name_of, pytasks.Pet(f"pet-{n}")) for n in range(5)]
    ours = [queue.enqueue("demo.add", n, 1) for n in range(5)]
    theirs = [queue.enqueue(pytasks.year_of, datetime.date(2026, 1, 1)), queue.enqueue(pytasks.add, 1)]
    for job in pets + theirs:
        wait_status(job, "finished")
    assert [pet.return_value() for pet in pets] == [f"pet-{n}" for n in range(5)]
    for job in ours:
        wait_status(job, "finished")


# Ours to Python.


def test_our_command_puts_a_job_in_for_python(conn, programs):
    id = programs.lullaby("enqueue", "pytasks.add", "1", "b=2").strip()
    job = Job.fetch(id, connection=conn)
    assert job.func_name == "pytasks.add" and job.args == (1,) and job.kwargs == {"b": 2}
    assert (job.origin, status(job), job.timeout) == ("default", "queued", 180)
    programs.rq_worker("--burst", "default")
    wait_status(job, "finished")
    assert job.return_value() == 3


def test_a_job_of_ours_for_later_is_run_by_pythons_scheduler(conn, programs):
    id = programs.lullaby("enqueue", "pytasks.add", "1", "b=4", "--in", "1s").strip()
    job = Job.fetch(id, connection=conn)
    assert status(job) == "scheduled"
    assert ScheduledJobRegistry("default", connection=conn).get_job_ids() == [id]
    programs.rq_worker("--with-scheduler", "default")
    wait_status(job, "finished")
    assert job.return_value() == 5


def test_a_job_that_failed_in_python_is_seen_and_requeued_here(conn, programs):
    id = programs.lullaby("enqueue", "pytasks.fail", "broken toy").strip()
    job = Job.fetch(id, connection=conn)
    programs.rq_worker("--burst", "default")
    wait_status(job, "failed")
    assert "ValueError: broken toy" in programs.lullaby("job", id)
    programs.lullaby("requeue", id)
    assert status(job) == "queued" and conn.lrange("rq:queue:default", 0, -1) == [id.encode()]
    programs.lullaby("cancel", id)
    assert status(job) == "canceled" and conn.llen("rq:queue:default") == 0


# Both at once.


def test_python_and_rust_workers_share_a_queue_and_each_job_runs_once(conn, programs):
    total = 5000 if os.environ.get("LULLABY_SOAK") else 300
    queue = Queue("default", connection=conn)
    jobs = queue.enqueue_many(
        [Queue.prepare_data("demo.add", [n, 1], job_id=f"job-{n}", result_ttl=3600) for n in range(total)]
    )
    for _ in range(2):
        programs.rq_worker("default")
    wait_for(lambda: len(Worker.all(connection=conn)) == 2, "Python's workers")
    for _ in range(2):
        # Slowly, so that there is something left for Python.
        programs.rust_worker("--concurrency", "1")
    wait_for(lambda: conn.zcard("rq:finished:default") == total, "all jobs to finish", 300)
    sides = {"python": 0, "rust": 0}
    pythons = {worker.name for worker in Worker.all(connection=conn) if worker.python_version}
    for n, job in enumerate(jobs):
        entries = conn.xrange(f"rq:results:{job.id}")
        assert len(entries) == 1, f"{job.id} ran {len(entries)} times"
        assert job.return_value() == n + 1
        worker = entries[0][1][b"worker_name"].decode()
        sides["python" if worker in pythons else "rust"] += 1
    print(sides)
    assert sides["python"] > 0 and sides["rust"] > 0


# What stands in Redis.


def test_what_we_write_is_what_rq_writes_field_by_field(conn, programs):
    Queue("default", connection=conn).enqueue("demo.add", 1, b=2, job_id="theirs")
    programs.lullaby("enqueue", "demo.add", "1", "b=2", "--id", "ours")
    theirs, ours = conn.hgetall("rq:job:theirs"), conn.hgetall("rq:job:ours")
    for hash in theirs, ours:
        for time in b"created_at", b"enqueued_at":
            assert datetime.datetime.strptime(hash.pop(time).decode(), "%Y-%m-%dT%H:%M:%S.%fZ")
        # Another protocol of pickle; Python reads the same call.
        hash[b"data"] = pickle.loads(zlib.decompress(hash[b"data"]))
    ours = {name: value for name, value in ours.items() if not name.startswith(b"lullaby_")}
    assert ours == theirs
    assert conn.lrange("rq:queue:default", 0, -1) == [b"theirs", b"ours"]
