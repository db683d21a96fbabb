"""Another prefix than `rq`, as RQ 3 has it in RQ_KEY_PREFIX: Python and ours together, on a plain server and on a node of a Redis Cluster."""

import signal
import subprocess

import pytest
import redis
import redis.crc
import rq

from conftest import BIN, PYTHON_BIN, free_port, wait_for

pytestmark = pytest.mark.skipif(rq.VERSION.startswith("2."), reason="RQ 2 knows no other prefix")


@pytest.fixture(scope="module")
def cluster_url(tmp_path_factory):
    """One node that has the slot of `{team}` alone: it refuses whatever touches another key, in scripts too."""
    port, folder = free_port(), tmp_path_factory.mktemp("cluster")
    with open(folder / "log", "w") as log:
        server = subprocess.Popen(
            ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder),
             "--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--cluster-require-full-coverage", "no"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )
    try:
        node = redis.Redis(port=port)

        def done(command, *arguments):
            try:
                return node.execute_command(command, *arguments)
            except redis.RedisError:
                return False

        wait_for(lambda: done("CLUSTER", "ADDSLOTS", redis.crc.key_slot(b"team")), "a node")
        wait_for(lambda: done("SET", "{team}:ready", 1), "the cluster to take writes")
        assert not done("EVAL", "return redis.call('GET', 'rq:queues')", 0)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.kill()
        server.wait()


@pytest.fixture(params=["plain", "cluster"])
def place(request, programs, redis_url):
    """The connection and the prefix; the programs of the test are told of both."""
    programs.url = request.getfixturevalue("cluster_url") if request.param == "cluster" else redis_url
    conn = redis.Redis.from_url(programs.url)
    conn.flushall()
    return conn, "{team}" if request.param == "cluster" else "team"


def test_python_and_ours_share_everything_under_it(place, programs):
    conn, prefix = place
    told = {"RQ_KEY_PREFIX": prefix}
    lullaby = [BIN / "lullaby", "--redis", programs.url]
    programs.start(BIN / "examples" / "worker", "--url", programs.url, "--queues", "ours", **told)
    programs.start(PYTHON_BIN / "rq", "worker", "--url", programs.url, "pythons", **told)
    scheduler = programs.start(*lullaby, "scheduler", **told)

    # Each enqueues for the other: now, and for later.
    enqueue = [PYTHON_BIN / "rq", "enqueue", "--url", programs.url, "--queue", "ours"]
    programs.run(*enqueue, "--job-id", "now", "demo.add", ":1", "b:=2", **told)
    programs.run(*enqueue, "--job-id", "later", "--schedule-in", "1s", "demo.add", ":3", "b:=4", **told)
    programs.run(*lullaby, "enqueue", "--queue", "pythons", "--id", "back", "pytasks.add", "5", "b=6", **told)
    programs.run(*lullaby, "enqueue", "--queue", "pythons", "--id", "soon", "--in", "1s", "pytasks.add", "7", "b=8", **told)

    def finished(queue):
        return sorted(id.decode() for id in conn.zrange(f"{prefix}:finished:{queue}", 0, -1))

    wait_for(lambda: finished("ours") == ["later", "now"], "Python's jobs to be run by ours")
    wait_for(lambda: finished("pythons") == ["back", "soon"], "our jobs to be run by Python")
    info = programs.run(PYTHON_BIN / "rq", "info", "--url", programs.url, **told)
    assert "2 workers" in info and "2 queues" in info

    names = [key.decode() for key in conn.keys("*")]
    strange = [name for name in names if not name.startswith(f"{prefix}:") and name != "rq:scheduler_lock"]
    assert strange == []
    assert f"{prefix}:lullaby:schedulers" in names
    scheduler.send_signal(signal.SIGTERM)
    assert scheduler.wait(timeout=30) == 0
    assert b"rq:scheduler_lock" not in conn.keys("*") and not conn.keys(f"{prefix}:scheduler-lock:*")


def test_rq_schedulers_entries_keep_their_own_names(conn, programs):
    import pytasks  # noqa: F401 (named in the call)

    told = {"RQ_KEY_PREFIX": "team"}
    # rq-scheduler writes the job under RQ's prefix, and the entry under its own.
    program = (
        "import os, redis, datetime, pytasks\n"
        "from rq_scheduler import Scheduler\n"
        "scheduler = Scheduler('default', connection=redis.Redis.from_url(os.environ['TEST_REDIS']))\n"
        "print(scheduler.enqueue_in(datetime.timedelta(0), pytasks.add, 1, b=2).id)\n"
    )
    job = programs.run(PYTHON_BIN / "python", "-c", program, **told).strip().encode()
    programs.run(BIN / "lullaby", "--redis", programs.url, "scheduler", "--burst", **told)
    assert conn.lrange("team:queue:default", 0, -1) == [job]
    assert conn.zcard("rq:scheduler:scheduled_jobs") == 0
