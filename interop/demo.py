"""Python's side of tasks that the Rust example worker knows too."""


def add(a, b):
    return a + b


def echo(value):
    return value
