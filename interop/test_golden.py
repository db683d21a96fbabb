"""What ours writes is what RQ writes for the same call, field by field. The expected side is made by RQ itself, in the same test.

Times and ids differ by nature. The rest of the differences are these, and each has a test that Python reads both forms:

- Fields that RQ writes empty are left out.
- Fields named `lullaby_*` are there as well; RQ never looks at them, and keeps them.
- A call and notes are pickled with protocol 2, RQ's with the highest. In JSON the keys of objects are sorted; the rest is the same byte for byte.
- `enqueue_at_front` is kept on every job that enters at the front, where RQ keeps it on scheduled ones only.
- `last_heartbeat` and the keys of an execution appear with its first heartbeat, after a third of the lease.
- A finished job without a result has no entry in its stream of results.
- The server forgets an ended job a minute after its time, in case no process of ours sweeps it before.
- Scores have milliseconds, where RQ's are whole seconds.
"""

import base64
import datetime
import json
import pickle
import zlib

import pytest
from rq import Queue, Retry, SimpleWorker
from rq.job import Job

from conftest import wait_for

TIMES = {"created_at", "enqueued_at", "started_at", "ended_at", "last_heartbeat"}


@pytest.fixture(params=["pickle", "json"])
def serializer(request):
    return request.param


@pytest.fixture
def queue(conn, serializer):
    return Queue("default", connection=conn, serializer=serializer)


@pytest.fixture
def ours(programs, serializer):
    flags = ["--json"] if serializer == "json" else []
    return lambda *arguments: programs.rust_enqueue(*flags, *arguments)


def loads(data, serializer):
    return pickle.loads(data) if serializer == "pickle" else json.loads(data)


def hash_of(conn, job, serializer):
    """The fields of a job's hash that are to be the same."""
    fields = {name.decode(): value for name, value in conn.hgetall(f"rq:job:{job}").items()}
    for name, value in list(fields.items()):
        if value == b"" or name.startswith("lullaby_"):
            del fields[name]
        elif name in TIMES:
            # RQ's form, to the digit.
            datetime.datetime.strptime(value.decode(), "%Y-%m-%dT%H:%M:%S.%fZ")
            assert len(value) == len("2026-11-23T12:00:00.000000Z")
            fields[name] = "a time"
    fields["data"] = loads(zlib.decompress(fields["data"]), serializer)
    if "meta" in fields:
        fields["meta"] = loads(fields["meta"], serializer)
    fields.pop("worker_name", None)
    return fields


def keys_of(conn, job):
    """All keys with their kinds, but for our own and those of RQ's workers."""
    keys = [key.decode() for key in conn.keys("rq:*")]
    return sorted((key.replace(job, "<id>"), conn.type(key)) for key in keys if ":worker" not in key and key != "rq:clean_groups")


def both(conn, serializer, by_rq, by_ours):
    """Runs one, dumps, empties the server; then the other."""
    dumps = []
    for make in (by_rq, by_ours):
        conn.flushall()
        job = make()
        dumps.append((hash_of(conn, job, serializer), keys_of(conn, job)))
    return dumps


CALLS = {
    "plain": ({}, []),
    "timeout": ({"job_timeout": 60}, ["--timeout", "60"]),
    "for ever": ({"job_timeout": -1, "result_ttl": -1}, ["--timeout", "-1", "--result-ttl", "-1"]),
    "times to live": (
        {"ttl": 600, "result_ttl": 3600, "failure_ttl": 86400},
        ["--ttl", "600", "--result-ttl", "3600", "--failure-ttl", "86400"],
    ),
    "notes": (
        {"meta": {"user": "ann", "n": 3, "ok": True, "z": None, "é": "€"}},
        ["--meta", '{"user": "ann", "n": 3, "ok": true, "z": null, "é": "€"}'],
    ),
    "description": ({"description": "add job"}, ["--description", "add job"]),
    "retry": ({"retry": Retry(max=3, interval=[60, 120])}, ["--retry", "3", "--retry-after", "60,120"]),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_queued_job(conn, queue, ours, serializer, call):
    options, flags = CALLS[call]
    theirs, mine = both(
        conn, serializer,
        lambda: queue.enqueue("demo.add", 1, b=2, **options).id,
        lambda: ours(*flags, "demo.add", "[1]", '{"b": 2}'),
    )
    assert mine == theirs


@pytest.mark.parametrize("args", [[], ["x"], [1, -2.5, None, True], ["né €"], [[1, [2]], {"a": 1}]], ids=repr)
def test_a_call_with_these_arguments(conn, queue, ours, serializer, args):
    theirs, mine = both(
        conn, serializer,
        lambda: queue.enqueue("demo.echo", *args).id,
        lambda: ours("demo.echo", json.dumps(args)),
    )
    theirs[0].pop("description"), mine[0].pop("description")  # Python's words for values, and ours.
    assert mine == theirs


def test_json_is_the_same_byte_for_byte(conn, programs):
    queue = Queue("default", connection=conn, serializer="json")
    theirs = queue.enqueue("demo.echo", ["né", 1, 2.5, None, True], b={"c": []}).id
    mine = programs.rust_enqueue("--json", "demo.echo", '[["né", 1, 2.5, null, true]]', '{"b": {"c": []}}')
    mine, theirs = (zlib.decompress(conn.hget(f"rq:job:{job}", "data")) for job in (mine, theirs))
    assert mine == theirs


def test_a_job_at_the_front(conn, queue, ours, serializer):
    theirs, mine = both(
        conn, serializer,
        lambda: queue.enqueue("demo.add", 1, b=2, at_front=True).id,
        lambda: ours("--at-front", "demo.add", "[1]", '{"b": 2}'),
    )
    assert mine[0].pop("enqueue_at_front") == b"1"
    assert mine == theirs


def test_a_scheduled_job(conn, queue, ours, serializer):
    theirs, mine = both(
        conn, serializer,
        lambda: queue.enqueue_in(datetime.timedelta(hours=1), "demo.add", 1, b=2).id,
        lambda: ours("--in", "3600", "demo.add", "[1]", '{"b": 2}'),
    )
    assert mine == theirs


def run_by_rq(conn, queue, serializer):
    SimpleWorker([queue], connection=conn, serializer=serializer).work(burst=True, logging_level="ERROR")


def entry_of(conn, job, serializer):
    """The last entry of its results, as far as it is to be the same."""
    (_, fields), = conn.xrevrange(f"rq:results:{job}", count=1)
    fields = {name.decode(): value for name, value in fields.items()}
    assert fields.pop("worker_name") and len(fields.pop("execution_id")) == 32
    assert 0 < float(fields.pop("execution_started_at")) <= float(fields.pop("execution_ended_at"))
    if "return_value" in fields:
        fields["return_value"] = loads(base64.b64decode(fields["return_value"]), serializer)
    if "exc_string" in fields:
        assert zlib.decompress(base64.b64decode(fields["exc_string"])).decode()
        fields["exc_string"] = "a text"
    return fields


def ended(conn, queue, programs, serializer, task, args):
    """The same call, run by RQ and by ours: hash, keys, last result, score."""
    dumps = []
    for ours in (False, True):
        conn.flushall()
        job = queue.enqueue(task, *args).id
        if ours:
            programs.rust_worker("--burst").wait(30)
        else:
            run_by_rq(conn, queue, serializer)
        fields = hash_of(conn, job, serializer)
        registry = f"rq:{fields['status'].decode()}:default"
        time_left = conn.zscore(registry, job) - conn.time()[0]
        dumps.append((fields, keys_of(conn, job), entry_of(conn, job, serializer), round(time_left, -1)))
        left = conn.ttl(f"rq:job:{job}")
        assert 0 <= left - time_left <= 62, (left, time_left)
    theirs, mine = dumps
    theirs[0].pop("last_heartbeat")
    return theirs, mine


def test_a_finished_job(conn, queue, programs, serializer):
    theirs, mine = ended(conn, queue, programs, serializer, "demo.add", (1, 2))
    assert mine == theirs


def test_a_failed_job(conn, queue, programs, serializer):
    theirs, mine = ended(conn, queue, programs, serializer, "demo.fail", ("no",))
    assert mine == theirs


def test_python_reads_a_finished_job_without_a_result_alike(conn, queue, programs, serializer):
    read = []
    for ours in (False, True):
        job = queue.enqueue("demo.sleep", 0)
        if ours:
            programs.rust_worker("--burst").wait(30)
        else:
            run_by_rq(conn, queue, serializer)
        job = Job.fetch(job.id, connection=conn, serializer=serializer)
        read.append((job.get_status(), job.return_value(), job.result, job.exc_info, job.is_finished))
    assert read[0] == read[1]
    assert conn.exists(f"rq:results:{job.id}") == 0


def test_python_reads_both_forms_of_a_queued_job_alike(conn, queue, ours, serializer):
    theirs = queue.enqueue("demo.add", 1, b=2, at_front=True, meta={"a": 1}, retry=Retry(max=2, interval=5))
    mine = ours(
        "--at-front", "--meta", '{"a": 1}', "--retry", "2", "--retry-after", "5", "demo.add", "[1]", '{"b": 2}'
    )
    read = []
    for job in (theirs.id, mine):
        job = Job.fetch(job, connection=conn, serializer=serializer)
        fields = {
            name: value
            for name, value in vars(job).items()
            if not isinstance(value, datetime.datetime) and name not in ("_id", "connection", "enqueue_at_front", "_data")
        }
        fields["call"] = (job.func_name, list(job.args), job.kwargs, job.instance)
        fields.pop("_args"), fields.pop("serializer")
        read.append({name: value for name, value in fields.items() if value not in ("", None)})
    assert read[1] == read[0]


def test_an_execution_is_shown_from_its_first_heartbeat_on(conn, queue, programs, serializer):
    job = queue.enqueue("demo.sleep", 60)
    programs.rust_worker("--lease", "1")
    wait_for(lambda: job.get_status() == "started", "the job to start")
    (execution,) = wait_for(job.get_executions, "a heartbeat")
    job.refresh()
    assert execution.worker_name == job.worker_name
    fields = {name.decode() for name in conn.hgetall(f"rq:execution:{job.id}:{execution.id}")}
    assert fields == {"id", "job_id", "created_at", "last_heartbeat", "worker_name"}
    assert 60 < conn.ttl(f"rq:execution:{job.id}:{execution.id}") <= 120
