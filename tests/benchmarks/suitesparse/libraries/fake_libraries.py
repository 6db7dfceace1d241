"""Libraries that misbehave, each in its own way, for child processes that find this file on PYTHONPATH."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from benchmarks.suitesparse.libraries.library import Library, Prepared, UnavailableError


def _library(attribute: str, prepare: Callable[[Any, Any, int], Prepared], **more: Any) -> Library:
    plain = Library(
        baseline="fake",
        name=f"fake-{attribute.lower()}",
        label=f"fake, {attribute.lower()}",
        where=f"fake_libraries:{attribute}",
        sorted_output=False,
        threaded=False,
        available=lambda: None,
        version=lambda: "fake 1.0",
        prepare=prepare,
    )
    return replace(plain, **more)


def _correct(a: Any, b: Any, threads: int) -> Prepared:
    print("a library that talks on standard output")
    return Prepared(lambda: a @ b, lambda product: product)


def _wrong(a: Any, b: Any, threads: int) -> Prepared:
    def spoil(product: Any) -> Any:
        product.data[product.nnz // 2] *= 1 + 1e-6
        return product

    return Prepared(lambda: a @ b, spoil)


def _crash(a: Any, b: Any, threads: int) -> Prepared:
    os.kill(os.getpid(), signal.SIGSEGV)
    raise AssertionError


def _fail(a: Any, b: Any, threads: int) -> Prepared:
    raise ValueError("no room left in the accumulator")


def _hang(a: Any, b: Any, threads: int) -> Prepared:
    def sleep() -> None:
        time.sleep(600)

    return Prepared(sleep, lambda product: product)


def _absent(a: Any, b: Any, threads: int) -> Prepared:
    raise UnavailableError("its card is at the menders")


def _threads(a: Any, b: Any, threads: int) -> Prepared:
    assert threads == int(os.environ["OMP_NUM_THREADS"]) == int(os.environ["NUMBA_NUM_THREADS"])
    return Prepared(lambda: a @ b, lambda product: product)


CORRECT = _library("CORRECT", _correct)
WRONG = _library("WRONG", _wrong)
CRASH = _library("CRASH", _crash)
FAIL = _library("FAIL", _fail)
HANG = _library("HANG", _hang)
ABSENT = _library("ABSENT", _absent)
MISSING = _library("MISSING", _correct, available=lambda: "fake is not installed; pip install fake")
UNSORTED = _library("UNSORTED", _correct, sorted_output=True)
THREADS = _library("THREADS", _threads, threaded=True)
