"""Jobs that wait for others, whoever made them and whoever runs which."""

import pytest
import rq
from rq import Queue
from rq.job import Dependency, Job

from conftest import wait_for

RQ_3 = rq.__version__.startswith("3.")


def finished(conn, *ids):
    return all(Job.fetch(id, connection=conn).get_status() == "finished" for id in ids)


def test_our_worker_lets_in_what_python_made_to_wait(conn, programs):
    queue = Queue("default", connection=conn)
    one = queue.enqueue("demo.add", 1, 1, job_id="one")
    two = queue.enqueue("demo.add", 2, 2, job_id="two")
    bad = queue.enqueue("demo.fail", "no milk", job_id="bad")
    queue.enqueue("demo.add", 3, 3, job_id="child", depends_on=[one, two])
    queue.enqueue("demo.add", 4, 4, job_id="lenient", depends_on=Dependency(jobs=[bad], allow_failure=True))
    queue.enqueue("demo.add", 5, 5, job_id="strict", depends_on=bad)
    programs.rust_worker("--burst").wait(timeout=60)
    assert finished(conn, "one", "two", "child", "lenient")
    assert Job.fetch("bad", connection=conn).get_status() == "failed"
    assert Job.fetch("strict", connection=conn).get_status() == "deferred"
    assert queue.deferred_job_registry.get_job_ids() == ["strict"]
    assert not conn.exists("rq:job:one:dependents", "rq:job:two:dependents")


def test_pythons_worker_lets_in_what_we_made_to_wait(conn, programs):
    for name in ("one", "two"):
        programs.lullaby("enqueue", "pytasks.add", "1", "2", "--id", name)
    programs.lullaby("enqueue", "pytasks.add", "3", "4", "--id", "child", "--depends-on", "one,two")
    child = Job.fetch("child", connection=conn)
    assert child.get_status() == "deferred"
    assert child._dependency_ids == ["one", "two"]
    assert Queue("default", connection=conn).deferred_job_registry.get_job_ids() == ["child"]
    programs.rq_worker("--burst", "default").wait(timeout=60)
    assert finished(conn, "one", "two", "child")
    assert Job.fetch("child", connection=conn).return_value() == 7


def test_python_cancels_and_lets_in_what_we_made_to_wait(conn, programs):
    programs.lullaby("enqueue", "pytasks.add", "1", "2", "--id", "parent")
    programs.lullaby("enqueue", "pytasks.add", "3", "4", "--id", "child", "--depends-on", "parent")
    Job.fetch("parent", connection=conn).cancel(enqueue_dependents=True)
    assert Queue("default", connection=conn).get_job_ids() == ["child"]


def test_we_cancel_and_let_in_what_python_made_to_wait(conn, programs):
    queue = Queue("default", connection=conn)
    parent = queue.enqueue("pytasks.add", 1, 2, job_id="parent")
    queue.enqueue("pytasks.add", 3, 4, job_id="child", depends_on=parent)
    programs.lullaby("cancel", "parent")
    assert queue.get_job_ids() == []
    programs.lullaby("requeue", "parent")
    programs.lullaby("cancel", "parent", "--enqueue-dependents")
    assert queue.get_job_ids() == ["child"]
    assert Job.fetch("parent", connection=conn).get_status() == "canceled"


@pytest.mark.skipif(not RQ_3, reason="only RQ 3 releases in two steps")
def test_a_release_that_rq_3_left_half_done_is_ended(conn, programs):
    queue = Queue("default", connection=conn)
    parent = queue.enqueue("demo.add", 1, 2, job_id="parent")
    queue.enqueue("demo.add", 3, 4, job_id="child", depends_on=parent)
    # What stands there when a process of RQ 3 dies between its two steps.
    conn.zrem("rq:deferred:default", "child")
    conn.hset("rq:job:child", "status", "ready_to_enqueue")
    conn.zadd("rq:ready:default", {"child": 1})
    programs.rust_worker()
    wait_for(lambda: finished(conn, "child"), "the child")
    assert conn.zcard("rq:ready:default") == 0
