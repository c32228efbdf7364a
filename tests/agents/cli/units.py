"""What the bundles of these tests hold; the lines of these functions are looked for in the output."""

from __future__ import annotations

import time

from mobility import resumable


def double(number):
    return number * 2


@resumable
def counting(stops):
    total = 0
    for stop in stops:
        total += double(stop)
        yield total  # suspended here
    return {"total": total, "stops": len(stops)}


@resumable
def delegating(stops):
    outer = "the outer one"
    result = yield from counting(stops)
    return result


@resumable
def failing(depth):
    yield "before"
    if depth:
        raise ValueError(f"no\x1b[31m way at {depth}")


@resumable
def leaving(code):
    yield "before"
    raise SystemExit(code)


@resumable
def printing(text):
    print(text)
    yield text


@resumable
def odd(values):
    for value in values:
        yield value


@resumable
def slow(steps, log):
    try:
        for step in range(steps):
            time.sleep(0.05)
            yield step
    finally:
        with open(log, "a") as file:
            file.write("closed\n")


@resumable
def chatty(steps, log):
    try:
        for step in range(steps):
            time.sleep(0.05)
            print("step", step, flush=True)
            yield step
    finally:
        with open(log, "a") as file:
            file.write("closed\n")


@resumable
def tidying():
    try:
        while True:
            yield "step"
    finally:
        print("tidied up")


def multiply(one, other=3):
    return one * other


def stepping(count):
    for number in range(count):
        yield number
    return "stepped"


class Visitor:
    def __init__(self):
        self.seen = []

    def arrive(self, here):
        self.seen.append(here)

    def __call__(self):
        return "called"


class Runner:
    def __init__(self, value):
        self.value = value

    def run(self):
        return f"ran with {self.value}"


class Caller:
    def __call__(self):
        return ["called"]

    def run(self):
        return "run although it can be called"


class Still:
    pass


class Loud:
    def __repr__(self):
        return "\x1b]0;owned\x07"


class Shy:
    def __repr__(self):
        raise RuntimeError("no \x1b[2J look")
