"""Sparse matrices in the layout of `scipy.sparse.save_npz`: csr, csc and coo, without pickle.

The file is an archive of NumPy arrays. Each array's header is looked at before it is loaded, so an array of Python
objects (which would run code) or of more elements than the file holds is refused unread. Then every index is checked,
because SciPy's compiled loops do not check them again.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

from benchmarks.suitesparse.memory import require_memory
from benchmarks.suitesparse.mtx import require_finite, to_csr
from sim.errors import InputError, nearest

_ARRAYS = {"csr": ("data", "indices", "indptr"), "csc": ("data", "indices", "indptr"), "coo": ("data", "row", "col")}
_DAMAGE = (OSError, EOFError, ValueError, KeyError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError)


def read_npz(path: Path) -> Any:
    """The matrix in `path` as a canonical `csr_array` of float64. Raises `InputError` for anything else."""
    label = str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            form, shape = _form(archive, label), _shape(archive, label)
            arrays = [_load(archive, name, label) for name in _ARRAYS[form]]
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"{label}: does not fit in memory") from error
    except _DAMAGE as error:
        raise InputError(f"{label}: damaged or not a matrix ({_one_line(error)})") from error
    matrix = _build(form, shape, arrays, label)
    require_finite(matrix, label)
    return matrix


def _form(archive: zipfile.ZipFile, label: str) -> str:
    members = [name.removesuffix(".npy") for name in archive.namelist()]
    if "format" not in members:
        held = ", ".join(sorted(members)[:6])[:100] or "nothing"
        raise InputError(f"{label}: not a sparse matrix of scipy.sparse.save_npz: no 'format' in it (holds {held})")
    value = _load(archive, "format", label).reshape(-1)
    if value.size != 1 or value.dtype.kind not in "SU":
        raise InputError(f"{label}: 'format' is not a word; supported: {', '.join(_ARRAYS)}")
    word = value[0].decode("ascii", errors="replace") if value.dtype.kind == "S" else str(value[0])
    if word not in _ARRAYS:
        raise InputError(f"{label}: sparse format {word[:20]!r} is not supported{nearest(word, _ARRAYS)}")
    missing = [name for name in ("shape", *_ARRAYS[word]) if name not in members]
    if missing:
        raise InputError(f"{label}: {word} matrix without its array {missing[0]!r}")
    return word


def _shape(archive: zipfile.ZipFile, label: str) -> tuple[int, int]:
    shape = _load(archive, "shape", label).reshape(-1)
    if shape.dtype.kind not in "iu" or shape.size != 2 or int(shape.min()) < 0:
        shown = str(shape.tolist()[:3])[:60]
        raise InputError(f"{label}: shape {shown} is not two whole numbers from 0 up")
    if int(shape.max()) > 2**63 - 1:
        raise InputError(f"{label}: shape {shape.tolist()} is beyond 64-bit integers")
    return int(shape[0]), int(shape[1])


def _load(archive: zipfile.ZipFile, name: str, label: str) -> Any:
    """Array `name`, after its header has been found harmless."""
    import numpy as np

    member = archive.getinfo(f"{name}.npy")
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
        start = stream.tell()
    if dtype.hasobject:
        raise InputError(f"{label}: {name!r} holds Python objects, which are never loaded as they can run code")
    count = 1
    for length in shape:
        count *= length
    if count * dtype.itemsize > member.file_size - start:
        raise InputError(f"{label}: {name!r} announces {count} elements, more than the file holds")
    require_memory(3 * count * dtype.itemsize, f"{label}: {name!r} with {count} elements")
    with archive.open(member) as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


def _build(form: str, shape: tuple[int, int], arrays: list[Any], label: str) -> Any:
    from scipy import sparse

    data = _values(arrays[0], label)
    wide = max(*shape, data.size) >= 2**31
    first, second = (
        _indices(array, wide, name, label) for array, name in zip(arrays[1:], _ARRAYS[form][1:], strict=True)
    )
    major, minor = shape if form != "csc" else shape[::-1]
    require_memory(shape[0] * (8 if wide else 4), f"{label}: a matrix of {shape[0]} rows")
    if form == "coo":
        _require_equal_lengths(label, data=data, row=first, col=second)
        _require_range(first, shape[0], "row", label)
        _require_range(second, shape[1], "col", label)
        return to_csr(sparse.coo_array((data, (first, second)), shape=shape))
    _require_pointers(second, major, data.size, label)
    _require_equal_lengths(label, data=data, indices=first)
    used = int(second[-1])
    _require_range(first[:used], minor, "indices", label)
    kind = sparse.csr_array if form == "csr" else sparse.csc_array
    return to_csr(kind((data[:used], first[:used], second), shape=shape))


def _values(array: Any, label: str) -> Any:
    import numpy as np

    if array.dtype.kind == "c":
        raise InputError(f"{label}: complex values are not supported: SpArch multiplies real numbers")
    if array.dtype.kind not in "fiub" or array.ndim != 1:
        raise InputError(
            f"{label}: 'data' is not a list of real numbers (dtype {array.dtype}, {array.ndim} dimensions)"
        )
    with np.errstate(over="ignore"):  # a wider float that overflows is reported as not finite
        return array.astype(np.float64)


def _indices(array: Any, wide: bool, name: str, label: str) -> Any:
    import numpy as np

    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise InputError(f"{label}: {name!r} is not a list of integers (dtype {array.dtype}, {array.ndim} dimensions)")
    target = np.iinfo(np.int64 if wide else np.int32)
    if array.size and (int(array.min()) < 0 or int(array.max()) > target.max):
        bad = int(array.min()) if int(array.min()) < 0 else int(array.max())
        raise InputError(f"{label}: {name!r} holds {bad}, outside of the matrix")
    return array.astype(target.dtype)


def _require_equal_lengths(label: str, **arrays: Any) -> None:
    lengths = {name: array.size for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"{label}: arrays differ in length: {', '.join(f'{n} {k}' for n, k in lengths.items())}")


def _require_range(array: Any, limit: int, name: str, label: str) -> None:
    if array.size and int(array.max()) >= limit:
        raise InputError(f"{label}: {name!r} holds {int(array.max())}, outside 0..{limit - 1}")


def _require_pointers(pointers: Any, major: int, entries: int, label: str) -> None:
    import numpy as np

    if pointers.size != major + 1:
        raise InputError(f"{label}: 'indptr' has {pointers.size} elements, {major + 1} are needed")
    if int(pointers[0]) != 0 or int(pointers[-1]) > entries:
        span = f"{int(pointers[0])} to {int(pointers[-1])}"
        raise InputError(f"{label}: 'indptr' runs from {span}, but the entries are 0 to {entries}")
    if np.any(pointers[1:] < pointers[:-1]):
        at = int(np.argmax(pointers[1:] < pointers[:-1]))
        raise InputError(f"{label}: 'indptr' decreases after row or column {at}")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
