"""RQ's callbacks on jobs that Python made, where their names are tasks of ours."""

from rq import Callback, Queue
from rq.job import Job

from conftest import wait_for


def calls(conn):
    """The jobs that ran as callbacks, with what they were about."""
    found = []
    for key in conn.keys("rq:job:*-on-*"):
        hash = conn.hgetall(key)
        found.append((hash[b"status"].decode(), hash[b"data"].decode()))
    return found


def test_callbacks_are_called_as_jobs_of_their_own(conn, programs):
    queue = Queue("default", connection=conn)
    queue.enqueue("demo.add", 1, 2, job_id="good", on_success=Callback("demo.ended", timeout=7))
    queue.enqueue("demo.fail", "no milk", job_id="bad", on_failure=Callback("demo.ended"))
    programs.rust_worker("--burst").wait(timeout=60)
    assert Job.fetch("good", connection=conn).return_value() == 3
    assert sorted(calls(conn)) == [
        ("finished", '["demo.ended", null, [], {"job": "bad", "status": "failed"}]'),
        ("finished", '["demo.ended", null, [], {"job": "good", "status": "finished"}]'),
    ]


def test_a_callback_that_only_python_can_run_leaves_its_job_to_python(conn, programs):
    programs.rq_worker("default")
    wait_for(lambda: conn.exists("rq:workers:default"), "Python's worker")
    programs.rust_worker()
    wait_for(lambda: conn.scard("rq:workers:default") == 2, "ours")
    queue = Queue("default", connection=conn)
    ids = [f"job-{n}" for n in range(10)]
    for id in ids:
        queue.enqueue("pytasks.add", 1, 2, job_id=id, on_success=Callback("pytasks.note_success"))
    wait_for(lambda: all(conn.get(f"test:success:{id}") == b"3" for id in ids), "Python's callbacks")


def test_without_python_it_fails_and_says_why(conn, programs):
    queue = Queue("default", connection=conn)
    queue.enqueue("demo.add", 1, 2, job_id="job", on_success=Callback("pytasks.note_success"))
    programs.rust_worker("--burst").wait(timeout=60)
    job = Job.fetch("job", connection=conn)
    assert job.get_status() == "failed"
    assert "pytasks.note_success" in job.latest_result().exc_string
