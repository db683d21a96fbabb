"""Python's RQ doing what the benchmark measures: URL VERB COUNT; prints one line of JSON."""

import json
import multiprocessing
import os
import signal
import sys
import time
from datetime import datetime, timedelta, timezone

from redis import Redis
from rq import Queue, SimpleWorker
from rq_scheduler import Scheduler

sys.modules["rq_peer"] = sys.modules["__main__"]
TEXT = "x" * 70
LATE_MS = []
EXPECTED = 0


def measure(due_ms, text):
    """A job that does nothing; one with a time tells how late it is, and ends the worker once all have run."""
    if due_ms:
        LATE_MS.append(time.time() * 1000 - due_ms)
        if len(LATE_MS) == EXPECTED:
            tell_lateness()
    return len(text)


measure.__module__ = "rq_peer"


def tell_lateness(*_):
    print(json.dumps({"late_ms": LATE_MS, "of": EXPECTED}), flush=True)
    multiprocessing.active_children()[0].kill()
    os._exit(0)


def schedule_for_ever(url):
    Scheduler(connection=Redis.from_url(url), interval=1).run()


def enqueue_one(queue, count):
    for _ in range(count):
        queue.enqueue(measure, 0, TEXT)


def enqueue_many(queue, count):
    for _ in range(max(1, count // 1000)):
        calls = [Queue.prepare_data(measure, (0, TEXT)) for _ in range(min(1000, count))]
        queue.enqueue_many(calls)


def run_due(url, queue, instants):
    global EXPECTED
    EXPECTED = len(instants)
    scheduler = Scheduler(queue=queue, connection=queue.connection)
    for at in instants:
        scheduler.enqueue_at(at.astimezone(timezone.utc).replace(tzinfo=None), measure, at.timestamp() * 1000, TEXT)
    multiprocessing.Process(target=schedule_for_ever, args=(url,), daemon=True).start()
    signal.signal(signal.SIGALRM, tell_lateness)
    signal.alarm(60)
    SimpleWorker([queue], connection=queue.connection).work(logging_level="ERROR")


def main():
    url, verb, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    queue = Queue(connection=Redis.from_url(url))
    start = time.perf_counter()
    if verb in ("enqueue-one", "fill"):
        enqueue_one(queue, count)
    elif verb == "enqueue-many":
        enqueue_many(queue, count)
    elif verb == "drain":
        SimpleWorker([queue], connection=queue.connection).work(burst=True, logging_level="ERROR")
    elif verb in ("due-spread", "due-burst"):
        apart = 0.1 if verb == "due-spread" else 0
        first = datetime.now(timezone.utc) + timedelta(seconds=3)
        run_due(url, queue, [first + timedelta(seconds=n * apart) for n in range(count)])
    print(json.dumps({"jobs": count, "seconds": time.perf_counter() - start}))


main()
