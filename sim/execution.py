"""One way to run many independent tasks: in this process, in processes of this machine, or on a Dask cluster.

All three are `concurrent.futures` executors; `run_tasks` gives results in order of completion, so that a caller can
keep each one as soon as it is there. Scheduling, messages and lost workers are the libraries' business. A task is a
function that can be found by its name and an argument that can be pickled; results that must outlive a kill are kept by
the task itself (`sim.cache`), next to where they were computed.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Any, TypeVar

from sim.errors import ConfigError, HwloopError, InputError

Task = TypeVar("Task")
Result = TypeVar("Result")

CONNECT_S = 10


class SerialExecutor(Executor):
    """Runs each task in this process, when it is submitted."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run the task; what it raises is in the future."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@contextlib.contextmanager
def open_executor(workers: int = 1, cluster: str | None = None) -> Iterator[Executor]:
    """An executor: the Dask scheduler at address `cluster`, else `workers` processes, else (1) this process.

    Leaving the block early, with Ctrl-C too, drops what has not begun. Raises ConfigError for less than one worker or
    where dask.distributed is not installed, InputError where no scheduler answers.
    """
    if workers < 1:
        raise ConfigError(f"workers = {workers}; nearest: 1")
    if cluster is not None:
        with _cluster(cluster) as executor:
            yield executor
    elif workers == 1:
        yield SerialExecutor()
    else:
        with _processes(workers) as executor:
            yield executor


def run_tasks(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    workers: int = 1,
    cluster: str | None = None,
) -> Iterator[tuple[int, Result]]:
    """Place and result of each of `tasks`, in order of completion.

    Processes that are killed, as by the system when memory runs out, are replaced by a single one that does what is
    left. Raises what a task raises; InputError where processes die even so, and what `open_executor` raises.
    """
    left = dict(enumerate(tasks))
    try:
        yield from _run(function, left, workers, cluster)
    except BrokenProcessPool:
        try:
            with _processes(1) as executor:
                yield from _drain(executor, function, left)
        except BrokenProcessPool:
            raise InputError(
                f"a worker process was killed, with {len(left)} of {len(tasks)} tasks left; out of memory? "
                "What was finished is kept: run the same command again"
            ) from None


def _run(
    function: Callable[[Task], Result], left: dict[int, Task], workers: int, cluster: str | None
) -> Iterator[tuple[int, Result]]:
    with open_executor(min(workers, max(len(left), 1)), cluster) as executor:
        if isinstance(executor, SerialExecutor):
            for place, task in list(left.items()):
                yield place, executor.submit(function, task).result()
                del left[place]
        else:
            yield from _drain(executor, function, left)


def _drain(
    executor: Executor, function: Callable[[Task], Result], left: dict[int, Task]
) -> Iterator[tuple[int, Result]]:
    """Submit all of `left`, and take from it what is done."""
    futures = {executor.submit(function, task): place for place, task in left.items()}
    for future in as_completed(futures):
        result = future.result()
        del left[futures[future]]
        yield futures[future], result


@contextlib.contextmanager
def _processes(workers: int) -> Iterator[Executor]:
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent)
    try:
        yield executor
    except BaseException:
        for process in list((getattr(executor, "_processes", None) or {}).values()):
            process.terminate()
        executor.shutdown(wait=False, cancel_futures=True)
        raise
    executor.shutdown()


def _end_with_parent() -> None:
    """In a worker: leave Ctrl-C to the parent, and end when the parent is gone, even by a kill."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def _cluster(address: str) -> Iterator[Executor]:
    try:
        import distributed
    except ImportError:
        raise ConfigError("a cluster needs dask.distributed: pip install 'hwloop[cluster]'") from None
    try:
        client: Any = vars(distributed)["Client"](address, timeout=CONNECT_S, set_as_default=False)
    except HwloopError:
        raise
    except Exception as error:  # the library raises OSError, TimeoutError, ValueError and more for an address
        raise InputError(f"no Dask scheduler answers at {address!r}: {error}".splitlines()[0]) from None
    with client:
        executor: Executor = client.get_executor(pure=False)
        try:
            yield executor
        finally:
            executor.shutdown(wait=False)
