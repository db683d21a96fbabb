"""RQ's Retry and Repeat on jobs that Python made, run by our worker."""

import json

from rq import Queue, Repeat, Retry
from rq.job import Job

from conftest import wait_for


def test_a_repeat_runs_the_same_job_again_and_its_list_is_used_up_from_the_front(conn, programs):
    queue = Queue("default", connection=conn)
    queue.enqueue("demo.add", 1, 2, job_id="job", repeat=Repeat(times=3, interval=[0, 1, 3600]))
    programs.rust_worker("--scheduler")
    # One run at once, one without a pause, one a second later; the last one has an hour to wait.
    wait_for(lambda: conn.hget("rq:job:job", "repeats_left") == b"0", "three runs")
    job = Job.fetch("job", connection=conn)
    assert job.get_status() == "scheduled"
    assert json.loads(conn.hget("rq:job:job", "repeat_intervals")) == [3600]
    assert len(job.results()) == 3
    assert {result.return_value for result in job.results()} == {3}
    assert queue.scheduled_job_registry.get_job_ids() == ["job"]
    assert conn.ttl("rq:job:job") == -1


def test_a_retry_of_pythons_is_honoured(conn, programs):
    queue = Queue("default", connection=conn)
    queue.enqueue("demo.fail", "no milk", job_id="job", retry=Retry(max=2))
    later = queue.enqueue("demo.fail", "no milk", job_id="later", retry=Retry(max=2, interval=[3600, 7200]))
    programs.rust_worker("--burst").wait(timeout=60)
    assert Job.fetch("job", connection=conn).get_status() == "failed"
    assert conn.hget("rq:job:job", "retries_left") == b"0"
    later.refresh()
    assert (later.get_status(), later.retries_left) == ("scheduled", 1)
