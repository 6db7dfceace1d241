"""One matrix from the SuiteSparse collection into the download cache.

The archive is transferred by `pypdl`, which resumes an interrupted transfer with a Range request. The matrix is read
straight out of the archive (no file of it is ever unpacked), held against the catalogue, and only then put in the
cache as ``NAME.npz``, beside it ``NAME.json`` with the SHA-256 of both files. A cached file whose hash has changed is
fetched again, and then the archive must be the one of the first time.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from benchmarks.suitesparse import catalogue, locate
from benchmarks.suitesparse.catalogue import CatalogueEntry
from benchmarks.suitesparse.matrix import Matrix
from benchmarks.suitesparse.mtx import read_mtx
from sim.errors import InputError

BASE_URL = "https://sparse.tamu.edu/MM"
_TEXT_BYTES_PER_ENTRY = 100
_TEXT_BYTES_OF_COMMENTS = 1 << 24


def fetch_matrix(
    name: str,
    *,
    base_url: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    sha256: str | None = None,
    progress: bool | None = None,
) -> Path:
    """The cached ``NAME.npz`` of a catalogue matrix, downloaded unless an intact copy is there.

    `base_url` defaults to HWLOOP_SUITESPARSE_URL or the collection, `cache_dir` to `locate.cache_folder`. `sha256` is
    what the archive must hash to, where known. `progress` draws a bar on stderr; by default on a terminal only.
    Raises `InputError`: unknown name, not in the collection, offline, interrupted, or not the matrix it should be.
    """
    known = catalogue.entry(name)
    folder = Path(cache_dir) if cache_dir is not None else locate.cache_folder()
    target = locate.cached_file(name, folder)
    recorded = _read_sidecar(target)
    if is_intact(target):
        return target
    if known.group is None:
        raise InputError(
            f"{name} cannot be fetched: {known.note}; put {name}.npz or {name}.mtx in a folder of HWLOOP_DATA"
        )
    base = (base_url or os.environ.get("HWLOOP_SUITESPARSE_URL") or BASE_URL).rstrip("/")
    url = f"{base}/{known.group}/{name}.tar.gz"
    try:
        (folder / "partial").mkdir(parents=True, exist_ok=True)
        with _alone(folder / "partial" / f"{name}.lock", name):
            archive = folder / "partial" / f"{name}.tar.gz"
            _transfer(url, archive, progress)
            try:
                _install(known, url, archive, target, sha256 or recorded.get("archive_sha256"))
            finally:
                archive.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"cannot keep {name} in {str(folder)!r}: {error.strerror or error}") from error
    return target


def is_intact(path: Path) -> bool:
    """Whether the cached file `path` still has the hash that was noted when it was put there."""
    recorded = _read_sidecar(path).get("sha256")
    return recorded is not None and path.is_file() and _sha256(path) == recorded


def read_archive(archive: Path, known: CatalogueEntry) -> Any:
    """The matrix in a tar.gz of the collection, read from its one member NAME/NAME.mtx. Raises `InputError`."""
    member = f"{known.name}/{known.name}.mtx"
    opener = functools.partial(_open_member, archive, member, known)
    try:
        return read_mtx(lambda: cast("IO[bytes]", opener()), label=f"{archive.name}:{member}")
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise InputError(f"what came for {known.name} is not a tar.gz archive or is damaged ({error})") from error


def _open_member(archive: Path, member: str, known: CatalogueEntry) -> Any:
    """The text of `member` as a stream that closes the archive with it; other members are never unpacked."""
    bundle = tarfile.open(archive, mode="r:gz")  # noqa: SIM115  closed by the stream below, or here on failure
    try:
        found = next((one for one in bundle if one.name.removeprefix("./") == member), None)
        stream = bundle.extractfile(found) if found is not None and found.isfile() else None
        if found is None or stream is None:
            raise InputError(f"the archive that came for {known.name} holds no file {member}")
        limit = known.nnz * _TEXT_BYTES_PER_ENTRY + _TEXT_BYTES_OF_COMMENTS
        if found.size > limit:
            raise InputError(f"{member} has {found.size:,} bytes, more than {known.name} can have ({limit:,})")
    except BaseException:
        bundle.close()
        raise
    return _Member(stream, bundle)


class _Member:
    """A member of a tar file as a context manager whose end closes both; a cut archive reads as an early end."""

    def __init__(self, stream: IO[bytes], bundle: tarfile.TarFile) -> None:
        self._stream, self._bundle = stream, bundle

    def __enter__(self) -> _Member:
        return self

    def read(self, size: int = -1) -> bytes:
        try:
            return self._stream.read(size)
        except tarfile.TarError as error:
            raise EOFError(str(error)) from error

    def readline(self, size: int = -1) -> bytes:
        try:
            return self._stream.readline(size)
        except tarfile.TarError as error:
            raise EOFError(str(error)) from error

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._bundle.close()


def _install(known: CatalogueEntry, url: str, archive: Path, target: Path, expected: str | None) -> None:
    """Check the archive and its matrix, then move both result files into place, the matrix last."""
    from scipy import sparse

    archive_sha256 = _sha256(archive)
    if expected is not None and archive_sha256 != expected:
        sidecar = target.with_suffix(".json")
        hint = f"; remove {sidecar} to accept the new one" if sidecar.exists() else ""
        raise InputError(f"{url}: sha256 is {archive_sha256[:16]}..., expected {expected[:16]}...{hint}")
    matrix = Matrix(known.name, read_archive(archive, known), url)
    difference = known.mismatch(matrix)
    if difference:
        raise InputError(f"{url} is not the catalogue's {known.name}: {difference}")
    fresh = target.with_name(f".{target.name}.{os.getpid()}.npz")
    try:
        sparse.save_npz(fresh, matrix.csr, compressed=False)
        record = {"sha256": _sha256(fresh), "archive_sha256": archive_sha256, "url": url, "nnz": matrix.nnz}
        record |= {"rows": matrix.rows, "cols": matrix.cols, "pattern_sha256": matrix.pattern_sha256}
        _write_sidecar(target, record)
        os.replace(fresh, target)
    finally:
        fresh.unlink(missing_ok=True)


def _transfer(url: str, archive: Path, progress: bool | None) -> None:
    from benchmarks.suitesparse.transfer import transfer

    transfer(url, archive, progress=progress)


def _read_sidecar(target: Path) -> dict[str, Any]:
    try:
        record = json.loads(target.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _write_sidecar(target: Path, record: dict[str, Any]) -> None:
    fresh = target.with_name(f".{target.stem}.{os.getpid()}.json")
    fresh.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    os.replace(fresh, target.with_suffix(".json"))


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _alone(lock: Path, name: str) -> Iterator[None]:
    """Hold `lock` so that two processes do not write the same partial file. Without file locks (Windows): no check."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with open(lock, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"another process is fetching {name}; wait for it and run this again") from None
        yield
