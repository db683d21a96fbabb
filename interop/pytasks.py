"""What the jobs of the tests run, when Python runs them."""

import datetime
import os

import redis
import rq


def connection():
    return redis.Redis.from_url(os.environ["TEST_REDIS"])


def add(a, b=0):
    return a + b


def count(name):
    """Counts its runs where the test can see them."""
    return connection().incr(f"test:count:{name}")


def fail(message):
    raise ValueError(message)


class Pet:
    """An object that only Python can make sense of."""

    def __init__(self, name):
        self.name = name


def name_of(pet):
    connection().incr(f"test:count:{pet.name}")
    return pet.name


def year_of(date: datetime.date):
    return date.year


def note(key, value):
    job = rq.get_current_job()
    job.meta[key] = value
    job.save_meta()


def note_success(job, connection, result):
    connection.set(f"test:success:{job.id}", result)
