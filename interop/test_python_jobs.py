"""Jobs that Python makes, run by our worker; and what Python then sees of them."""

import math
import statistics
from datetime import datetime, timedelta, timezone

import pytest
import rq
from redis import Redis
from rq import Queue, Retry, Worker
from rq.command import send_kill_horse_command, send_shutdown_command, send_stop_job_command
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.results import Result

from conftest import PATIENCE, now_of, wait_for


@pytest.fixture(params=["pickle", "json"])
def queue(request, conn):
    """Python's queue, with either serializer. Our worker finds out by itself which one it is."""
    return Queue("default", connection=conn, serializer=request.param)


@pytest.fixture
def default_queue(conn):
    return Queue("default", connection=conn)


def ended(job, status="finished"):
    wait_for(lambda: job.get_status() == status, f"{job.id} to be {status}")
    job.refresh()
    return job


def test_arguments_and_results_go_both_ways(queue, programs):
    values = [None, True, -1, 2**40, 0.1, "", "né €", [], {}, [1, [2, {"a": None}]], {"a": {"b": [1.5]}}]
    jobs = [queue.enqueue("demo.echo", value) for value in values]
    jobs += [queue.enqueue("demo.echo", value=value) for value in values]
    total = queue.enqueue("demo.add", 1, b=2)
    programs.rust_worker("--burst").wait(30)
    assert [job.return_value() for job in jobs] == values * 2
    assert total.return_value() == 3


def test_a_finished_job_looks_to_python_as_if_python_had_run_it(queue, conn, programs):
    job = queue.enqueue("demo.add", 1, 2, result_ttl=60)
    programs.rust_worker("--burst").wait(30)
    job.refresh()
    assert job.get_status() == "finished" and job.is_finished
    assert job.enqueued_at <= job.started_at <= job.ended_at <= datetime.now(timezone.utc) + timedelta(seconds=1)
    assert job.worker_name
    result = job.latest_result()
    assert result.type == Result.Type.SUCCESSFUL and result.return_value == 3
    assert result.worker_name == job.worker_name
    assert job.id in queue.finished_job_registry and job.id not in queue.started_job_registry
    # RQ's time to live; ours sweeps by then, and the server's own a minute later.
    assert 0 < conn.ttl(f"rq:job:{job.id}") <= 120 and 0 < conn.ttl(f"rq:results:{job.id}") <= 120
    assert job.get_executions() == []
    job.delete()
    assert not conn.exists(f"rq:job:{job.id}")


def test_a_result_for_no_time_and_for_ever(queue, conn, programs):
    gone = queue.enqueue("demo.add", 1, 2, result_ttl=0)
    kept = queue.enqueue("demo.add", 1, 2, result_ttl=-1)
    programs.rust_worker("--burst").wait(30)
    with pytest.raises(NoSuchJobError):
        Job.fetch(gone.id, connection=conn, serializer=queue.serializer)
    assert conn.ttl(f"rq:job:{kept.id}") == conn.ttl(f"rq:results:{kept.id}") == -1
    assert conn.zscore("rq:finished:default", kept.id) == math.inf


def test_a_failure_has_its_reason_where_python_looks(queue, conn, programs):
    job = queue.enqueue("demo.fail", "no such luck", failure_ttl=60)
    programs.rust_worker("--burst").wait(30)
    job.refresh()
    assert job.get_status() == "failed"
    result = job.latest_result()
    assert result.type == Result.Type.FAILED and "no such luck" in result.exc_string
    assert job.id in queue.failed_job_registry
    assert 0 < conn.ttl(f"rq:job:{job.id}") <= 120


def test_a_job_without_arguments_that_fit_fails_and_says_which(queue, programs):
    job = queue.enqueue("demo.add", 1)
    programs.rust_worker("--burst").wait(30)
    assert job.get_status() == "failed"
    assert "demo.add" in job.latest_result().exc_string


def test_retries_are_python_s_own(queue, conn, programs):
    # RQ goes through a list that is shorter than the count from its end: 0, 0, 1.
    job = queue.enqueue("demo.flaky", 3, retry=Retry(max=3, interval=[0, 1]))
    programs.rust_worker("--scheduler")
    ended(job)
    assert job.return_value() == 4 and job.retries_left == 0
    spent = queue.enqueue("demo.fail", "again", retry=Retry(max=2))
    ended(spent, "failed")
    assert spent.retries_left == 0
    # Waits in RQ's registry for as long as Python says.
    later = queue.enqueue("demo.fail", "later", retry=Retry(max=1, interval=100))
    ended(later, "scheduled")
    score = conn.zscore("rq:scheduled:default", later.id)
    assert 90 < score - now_of(conn) <= 101


def test_a_timeout_is_python_s_own(queue, programs):
    job = queue.enqueue("demo.sleep", 60, job_timeout=1)
    programs.rust_worker("--burst").wait(30)
    assert job.get_status() == "failed"
    assert "exceeded maximum timeout value" in job.latest_result().exc_string


def test_what_waited_past_its_ttl_is_not_run(queue, conn, programs):
    job = queue.enqueue("demo.count", "late", ttl=1)
    other = queue.enqueue("demo.count", "other", ttl=60)
    wait_for(lambda: not conn.exists(f"rq:job:{job.id}"), "the time to live")
    programs.rust_worker("--burst").wait(30)
    assert ended(other) and conn.get("demo:count:other") == b"1"
    assert not conn.exists("demo:count:late") and conn.llen("rq:queue:default") == 0
    # Its time in the queue is over, and that of its result begins.
    assert conn.ttl(f"rq:job:{other.id}") > 60


def test_at_front_is_first(queue, conn, programs):
    jobs = [queue.enqueue("demo.count", "a"), queue.enqueue("demo.count", "b", at_front=True)]
    programs.rust_worker("--burst", "--concurrency", "1").wait(30)
    first, second = [ended(job).started_at for job in jobs]
    assert second < first


def test_notes_are_kept_and_ours_are_read(queue, conn, programs):
    job = queue.enqueue("demo.note", "progress", 50, meta={"user": "ann", "n": [1, None]})
    programs.rust_worker("--burst").wait(30)
    assert ended(job).get_meta() == {"user": "ann", "n": [1, None], "progress": 50}


def test_a_canceled_job_is_not_run(queue, conn, programs):
    job = queue.enqueue("demo.count", "canceled")
    job.cancel()
    programs.rust_worker("--burst").wait(30)
    assert job.get_status() == "canceled" and job.id in queue.canceled_job_registry
    assert not conn.exists("demo:count:canceled")


def test_a_deleted_job_is_not_run(queue, conn, programs):
    queue.enqueue("demo.count", "deleted").delete()
    other = queue.enqueue("demo.count", "deleted too")
    # What some programs do: the id stays in the list.
    conn.delete(f"rq:job:{other.id}")
    programs.rust_worker("--burst").wait(30)
    assert not conn.exists("demo:count:deleted") and not conn.exists("demo:count:deleted too")
    assert conn.llen("rq:queue:default") == 0 and conn.hlen("lullaby:quarantine") == 0


def test_python_requeues_what_failed_here(default_queue, conn, programs):
    first = default_queue.enqueue("demo.fail", "a", retry=Retry(max=1))
    second = default_queue.enqueue("demo.fail", "b")
    programs.rust_worker("--burst").wait(30)
    failed = default_queue.failed_job_registry
    assert first.id in failed and second.id in failed
    Job.fetch(first.id, connection=conn).requeue()
    programs.rq("requeue", "--queue", "default", second.id)
    assert conn.lrange("rq:queue:default", 0, -1) == [first.id.encode(), second.id.encode()]
    before = [ended(job, "queued").latest_result().id for job in (first, second)]
    programs.rust_worker("--burst").wait(30)
    for job, earlier in zip((first, second), before):
        assert ended(job, "failed").latest_result().id != earlier


def test_a_job_that_runs_here_is_stopped_by_python(queue, conn, programs):
    jobs = [queue.enqueue("demo.sleep", 60) for _ in range(2)]
    programs.rust_worker()
    for job in jobs:
        ended(job, "started")
    send_stop_job_command(conn, jobs[0].id, serializer=queue.serializer)
    ended(jobs[0], "stopped")
    assert jobs[0].id in queue.failed_job_registry
    assert "stopped by user" in jobs[0].latest_result().exc_string
    assert jobs[1].get_status() == "started"


@pytest.mark.skipif(rq.VERSION.startswith("2."), reason="new in RQ 3")
def test_one_execution_is_stopped_by_python(default_queue, conn, programs):
    from rq.command import send_stop_execution_command

    job = default_queue.enqueue("demo.sleep", 60)
    programs.rust_worker("--lease", "1")
    # Shown from its first heartbeat on.
    (execution,) = wait_for(job.get_executions, "the execution")
    conn.hset(f"rq:execution:{job.id}:0123", mapping=conn.hgetall(f"rq:execution:{job.id}:{execution.id}") | {b"id": "0123"})
    send_stop_execution_command(conn, job.id, "0123")
    send_stop_execution_command(conn, job.id, execution.id)
    ended(job, "stopped")


def test_a_stop_that_came_too_late_does_not_stop_the_next_run(default_queue, conn, programs):
    job = default_queue.enqueue("demo.sleep", 60, job_timeout=1)
    conn.hset(f"rq:job:{job.id}", "lullaby_stop", "1")
    programs.rust_worker("--burst", "--lease", "1").wait(30)
    assert job.get_status() == "failed" and "timeout" in job.latest_result().exc_string


def test_a_worker_of_ours_is_shut_down_by_python(default_queue, conn, programs):
    job = default_queue.enqueue("demo.sleep", 1)
    worker = programs.rust_worker()
    ended(job, "started")
    send_shutdown_command(conn, job.worker_name)
    log = worker.log.with_suffix(".err")
    wait_for(lambda: "told from outside" in log.read_text(), "the worker to hear of it")
    # Warm: what runs may end, and nothing new begins.
    default_queue.enqueue("demo.add", 1, 2)
    assert worker.wait(30) == 0
    assert job.get_status() == "finished" and conn.llen("rq:queue:default") == 1
    assert Worker.all(connection=conn) == []


def test_kill_horse_fails_what_runs_here(default_queue, conn, programs):
    jobs = [default_queue.enqueue("demo.sleep", 60) for _ in range(2)]
    programs.rust_worker()
    for job in jobs:
        ended(job, "started")

    # Told once and forgotten: a worker that has not heard yet that its claim was granted has nothing to kill.
    def killed():
        send_kill_horse_command(conn, jobs[0].worker_name)
        return all(job.get_status() == "failed" for job in jobs)

    wait_for(killed, "the jobs to fail")
    for job in jobs:
        assert "Work-horse terminated unexpectedly" in job.latest_result().exc_string
    # The worker goes on.
    assert ended(default_queue.enqueue("demo.add", 1, 2)).return_value() == 3


def test_suspended_workers_of_ours_take_nothing_and_go_on_at_once(default_queue, redis_url, programs):
    programs.rust_worker()
    ended(default_queue.enqueue("demo.add", 1, 2))
    programs.rq("suspend")
    with Redis.from_url(redis_url, socket_timeout=PATIENCE).monitor() as commands:
        job = default_queue.enqueue("demo.add", 1, 2)
        # The worker hears of the job, looks whether it may take one, and may not.
        said = (one["command"] for one in commands.listen())
        next(command for command in said if command.startswith("RPUSH rq:queue:default"))
        next(command for command in said if command == "EXISTS rq:suspended")
    assert job.get_status() == "queued"
    programs.rq("resume")
    ended(job)


def test_our_worker_is_a_worker_to_python(default_queue, conn, programs):
    job = default_queue.enqueue("demo.sleep", 60)
    programs.rust_worker("--queues", "default,high", "--lease", "1")
    (worker,) = wait_for(lambda: Worker.all(connection=conn), "the worker")
    assert worker.queue_names() == ["default", "high"]
    assert worker.pid == programs.children[-1].pid and worker.hostname
    assert Worker.all(queue=Queue("high", connection=conn)) == [worker]
    assert Worker.count(connection=conn) == 1
    # Once it has been heard of again.
    wait_for(lambda: Worker.all(connection=conn)[0].get_current_job_id() == job.id, "the current job")
    worker = Worker.all(connection=conn)[0]
    assert worker.get_state() == "busy" and worker.get_current_job() == job
    assert conn.hget(f"rq:worker:{worker.name}", "current_job") == job.id.encode()
    (execution,) = job.get_executions()
    assert conn.smembers(f"rq:worker:{worker.name}:executions") == {f"{job.id}:{execution.id}".encode()}
    before = job.get_executions()[0].last_heartbeat
    wait_for(lambda: job.get_executions()[0].last_heartbeat > before, "another heartbeat")
    assert conn.zscore("rq:wip:default", f"{job.id}:{execution.id}") > now_of(conn) + 80
    send_stop_job_command(conn, job.id)
    ended(job, "stopped")
    worker = Worker.all(connection=conn)[0]
    assert worker.get_state() == "idle" and worker.get_current_job_id() is None
    ended(default_queue.enqueue("demo.add", 1, 2))
    ended(default_queue.enqueue("demo.fail", "x"), "failed")
    worker = Worker.all(connection=conn)[0]
    assert (worker.successful_job_count, worker.failed_job_count) == (1, 2)


def test_python_reads_when_runs_of_ours_began_and_how_long_they_took_in_all(queue, conn, programs):
    ids = [queue.enqueue("demo.burn", 100).id for _ in range(2)]
    fails = queue.enqueue("demo.fail", "x", retry=Retry(max=1))
    programs.rust_worker("--concurrency", "4")
    jobs = [ended(Job.fetch(id, connection=conn, serializer=queue.serializer)) for id in ids]
    ended(fails, "failed")
    for job in jobs:
        result = job.latest_result()
        assert abs(result.execution_started_at - job.started_at) <= timedelta(milliseconds=1)
        assert timedelta(seconds=0.1) <= result.execution_ended_at - result.execution_started_at < timedelta(seconds=10)
    (worker,) = Worker.all(connection=conn)
    took = sum((job.ended_at - job.started_at).total_seconds() for job in jobs)
    assert took <= worker.total_working_time < took + 10
    assert (worker.successful_job_count, worker.failed_job_count) == (2, 2)
    assert "jobs: 2 finished, 2 failed" in programs.rq("info")


def test_rq_info_shows_ours(default_queue, conn, programs):
    job = default_queue.enqueue("demo.sleep", 60)
    default_queue.enqueue("demo.fail", "x")
    programs.rust_worker("--lease", "1")
    wait_for(job.get_executions, "a heartbeat")
    wait_for(lambda: conn.zcard("rq:failed:default") == 1, "a failure")
    text = programs.rq("info")
    assert "1 workers" in text and "busy" in text and "default" in text
    # It cleans registries, too, and touches nothing of ours.
    assert job.get_status() == "started"


def test_python_counts_what_ours_did(queue, conn, programs):
    for number in range(3):
        queue.enqueue("demo.add", number, 1)
    queue.enqueue("demo.fail", "x")
    queue.enqueue("demo.add", 1, 1).cancel()
    queue.enqueue_in(timedelta(hours=1), "demo.add", 1, 1)
    programs.rust_worker("--burst").wait(30)
    assert Queue.all(connection=conn) == [queue]
    counts = [
        len(registry.get_job_ids())
        for registry in (
            queue.finished_job_registry, queue.failed_job_registry, queue.canceled_job_registry,
            queue.scheduled_job_registry, queue.started_job_registry,
        )
    ]
    assert counts == [3, 1, 1, 1, 0] and queue.count == 0


def test_what_python_scheduled_starts_within_50_ms_of_its_time(default_queue, conn, programs):
    programs.rust_worker("--scheduler")
    ended(default_queue.enqueue("demo.add", 1, 2))
    jobs = [default_queue.enqueue_in(timedelta(seconds=2 + number % 2), "demo.add", number, 1) for number in range(20)]
    jobs.append(default_queue.enqueue_at(datetime.now(timezone.utc) + timedelta(seconds=3), "demo.add", 1, 1))
    due = {job.id: conn.zscore("rq:scheduled:default", job.id) for job in jobs}
    late = [ended(job).started_at.timestamp() - due[job.id] for job in jobs]
    print(f"late by {statistics.median(late) * 1000:.1f} ms, at most {max(late) * 1000:.1f} ms")
    assert min(late) >= -0.001, "one started early"
    assert statistics.median(late) < 0.05 and max(late) < 1
