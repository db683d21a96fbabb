"""The tasks of our example worker, for Python: whoever gets such a job first runs it."""

import os
import time

import redis


def add(a, b):
    return a + b


def echo(value):
    return value


def sleep(seconds):
    time.sleep(seconds)


def fail(message):
    raise ValueError(message)


def count(name, seconds=0):
    # Returns nothing, as ours.
    redis.Redis.from_url(os.environ["TEST_REDIS"]).incr(f"demo:count:{name}")
    time.sleep(seconds)
