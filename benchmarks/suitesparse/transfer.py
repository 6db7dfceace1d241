"""A resumable file transfer: `pypdl` with its failures put into words.

pypdl keeps what has arrived in ``FILE.0`` with a note in ``FILE.json`` and goes on from there, as long as the server's
entity tag is the same. It reports failures only to its logger, which is where this module picks them up. A transfer
that breaks off is taken up again at once while it makes progress; a server that cannot be reached is not tried twice.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sim.errors import InputError

CONNECT_SECONDS = 6.0
SILENCE_SECONDS = 20.0
_ATTEMPTS = 4
_LOOK_SECONDS = 0.02


class _Failures(logging.Handler):
    """Keeps the exceptions that are logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.seen: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self.seen.append(record.exc_info[1])


def transfer(url: str, path: Path, *, progress: bool | None = None) -> None:
    """Bring `url` to `path`, going on from what an earlier call left. Raises `InputError` with the reason.

    `progress` draws a bar on stderr; None means: if stderr is a terminal.
    """
    _require_http(url)
    _drop_unreadable_note(path)
    show = sys.stderr.isatty() if progress is None else progress
    error: BaseException | None = None
    for _ in range(_ATTEMPTS):
        before = arrived(path)
        error = _attempt(url, path, show)
        if error is None and path.is_file():
            return
        if arrived(path) <= before:
            break
    raise InputError(_explain(error, url, arrived(path)))


def arrived(path: Path) -> int:
    """Bytes of an unfinished transfer to `path`."""
    part = path.with_name(f"{path.name}.0")
    return part.stat().st_size if part.is_file() else 0


def _attempt(url: str, path: Path, show: bool) -> BaseException | None:
    """One run of pypdl; the exception that ended it, or None."""
    import aiohttp
    import pypdl

    failures = _Failures()
    logger = logging.Logger("hwloop.transfer", logging.WARNING)
    logger.addHandler(failures)
    timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS)
    options: dict[str, Any] = {"timeout": timeout, "headers": {"Accept-Encoding": "identity"}}
    proxy = _proxy(url)
    if proxy:
        options["proxy"] = proxy
    path.unlink(missing_ok=True)
    engine = pypdl.Pypdl(logger=logger)
    with _bar(engine, path.name, show):
        running = engine.start(
            url=url, file_path=str(path), segments=1, retries=0, display=False, block=False, **options
        )
        try:
            while not engine.is_idle:  # result() alone would look once a second
                time.sleep(_LOOK_SECONDS)
        except KeyboardInterrupt:
            engine.shutdown()
            raise
        running.result()
    return failures.seen[-1] if failures.seen else None


def _explain(error: BaseException | None, url: str, kept: int) -> str:
    status = getattr(error, "status", None)
    if status is not None:
        reason = "is not on the server" if status in (404, 410) else "was refused"
        return f"{url} {reason} (HTTP {status})"
    if kept or type(error).__name__ == "ClientPayloadError":
        hint = "run the same command to go on from there"
        return f"transfer of {url} broke off after {kept:,} bytes ({_words(error)}); {hint}"
    host = urllib.parse.urlsplit(url).netloc
    hint = "offline, put the matrix in a folder of HWLOOP_DATA"
    return f"cannot fetch {url}: {host} does not answer ({_words(error)}); {hint}"


def _words(error: BaseException | None) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _require_http(url: str) -> None:
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise InputError(f"cannot fetch {url!r}: not an http or https address")


def _proxy(url: str) -> str | None:
    """The proxy that the environment asks for, if any."""
    parts = urllib.parse.urlsplit(url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def _drop_unreadable_note(path: Path) -> None:
    """Forget an earlier transfer whose note is damaged: pypdl would stumble over it at every call."""
    note = path.with_name(f"{path.name}.json")
    try:
        record = json.loads(note.read_text(encoding="utf-8"))
        usable = isinstance(record, dict) and {"url", "etag", "segments"} <= record.keys() and record["segments"] == 1
    except FileNotFoundError:
        return
    except ValueError:
        usable = False
    if not usable:
        note.unlink()
        path.with_name(f"{path.name}.0").unlink(missing_ok=True)


@contextlib.contextmanager
def _bar(engine: Any, name: str, show: bool) -> Iterator[None]:
    """A progress bar on stderr that follows `engine` from a thread of its own."""
    if not show:
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    done = threading.Event()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)

        def follow() -> None:
            while not done.wait(0.2):
                bar.update(task, total=engine.size, completed=engine.current_size)

        follower = threading.Thread(target=follow, daemon=True)
        follower.start()
        try:
            yield
        finally:
            done.set()
            follower.join()
