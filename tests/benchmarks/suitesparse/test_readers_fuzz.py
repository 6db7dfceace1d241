"""Random files: a matrix survives every form of writing it down, and no damage raises anything but `HwloopError`."""

from __future__ import annotations

import gzip
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import io as scipy_io
from scipy import sparse

from benchmarks.suitesparse import memory, mtx_body
from benchmarks.suitesparse.readers import read_matrix
from sim.errors import HwloopError

MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
CALM_VALUES = st.floats(allow_nan=False, allow_infinity=False, width=32).map(float)
WHOLE_VALUES = st.integers(-(2**53), 2**53)


@pytest.fixture(autouse=True)
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged header may ask for anything; 64 MB keeps the tests quick."""
    monkeypatch.setattr(memory, "available_memory", lambda: 64_000_000)


@st.composite
def stored_entries(draw: st.DrawFn, *, square: bool, values: st.SearchStrategy[Any]) -> Any:
    """Shape and a list of (row, column, value), duplicates, zeros and empty lines included."""
    rows = draw(st.integers(1, 12))
    cols = rows if square else draw(st.integers(1, 12))
    entry = st.tuples(st.integers(0, rows - 1), st.integers(0, cols - 1), values)
    return (rows, cols), draw(st.lists(entry, max_size=30))


@st.composite
def decorated(draw: st.DrawFn, banner: str, shape: tuple[int, int], lines: list[str]) -> bytes:
    """Matrix Market text with blank lines, comments and line ends wherever the format lets them be."""
    filler = st.sampled_from(["", "", "", "%", "% 1 1 1", "   ", "%%MatrixMarket", "\t"])
    end = draw(st.sampled_from(["\n", "\r\n"]))
    between = " " if draw(st.booleans()) else "\t  "
    out = [f"%%MatrixMarket matrix coordinate {banner}"]
    for line in [f"{shape[0]} {shape[1]} {len(lines)}", *lines]:
        extra = draw(filler)
        out += [extra] * bool(extra) + [line.replace(" ", between)]
    text = end.join(out) + draw(st.sampled_from(["", end, end + "%" + end, end + end]))
    return text.encode()


def written(value: Any, field: str) -> str:
    """An entry's tail: its value, or nothing in a pattern."""
    return "" if field == "pattern" else f" {value!r}"


def read_bytes(content: bytes, name: str = "a.mtx") -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        return read_matrix(path)


@MANY
@given(data=st.data(), field=st.sampled_from(["real", "integer", "pattern"]), packed=st.booleans())
def test_general_matrices_survive(data: st.DataObject, field: str, packed: bool) -> None:
    values = {"real": CALM_VALUES, "integer": WHOLE_VALUES, "pattern": st.just(1)}[field]
    shape, stored = data.draw(stored_entries(square=False, values=values))
    lines = [f"{i + 1} {j + 1}{written(value, field)}" for i, j, value in stored]
    text = data.draw(decorated(f"{field} general", shape, lines))
    csr = read_bytes(gzip.compress(text) if packed else text)
    dense = np.zeros(shape)
    for i, j, value in stored:
        dense[i, j] += value
    np.testing.assert_allclose(csr.toarray(), dense, rtol=1e-12, atol=1e-6 * np.abs(dense).max(initial=0))
    assert csr.nnz == len({(i, j) for i, j, _ in stored})
    assert csr.has_canonical_format


@MANY
@given(
    data=st.data(),
    field=st.sampled_from(["real", "integer", "pattern"]),
    symmetry=st.sampled_from(["symmetric", "skew-symmetric"]),
)
def test_symmetric_matrices_survive(data: st.DataObject, field: str, symmetry: str) -> None:
    values = {"real": CALM_VALUES, "integer": WHOLE_VALUES, "pattern": st.just(1)}[field]
    shape, stored = data.draw(stored_entries(square=True, values=values))
    skew = symmetry == "skew-symmetric"
    lower = {(max(i, j), min(i, j)): value for i, j, value in stored if not (skew and i == j)}
    lines = [f"{i + 1} {j + 1}{written(value, field)}" for (i, j), value in lower.items()]
    csr = read_bytes(data.draw(decorated(f"{field} {symmetry}", shape, lines)))
    dense = np.zeros(shape)
    for (i, j), value in lower.items():
        dense[j, i] = -value if skew else value
        dense[i, j] = value
    np.testing.assert_array_equal(csr.toarray(), dense)
    assert csr.nnz == sum(1 if i == j else 2 for i, j in lower)


@MANY
@given(data=st.data(), form=st.sampled_from(["csr", "csc", "coo"]), compressed=st.booleans())
def test_npz_survives(data: st.DataObject, form: str, compressed: bool) -> None:
    shape, stored = data.draw(stored_entries(square=False, values=CALM_VALUES))
    rows, cols = [i for i, _, _ in stored], [j for _, j, _ in stored]
    original = sparse.coo_array(([v for _, _, v in stored], (rows, cols)), shape=shape, dtype=np.float64).asformat(form)
    stream = io.BytesIO()
    sparse.save_npz(stream, original, compressed=compressed)
    np.testing.assert_array_equal(read_bytes(stream.getvalue(), "a.npz").toarray(), original.toarray())


@MANY
@given(data=st.data(), chunk=st.integers(1, 50))
def test_agrees_with_scipy_whatever_the_chunks(data: st.DataObject, chunk: int) -> None:
    shape, stored = data.draw(stored_entries(square=False, values=CALM_VALUES))
    coo = sparse.coo_array(
        ([v for *_, v in stored], ([i for i, *_ in stored], [j for _, j, _ in stored])), shape=shape, dtype=np.float64
    )
    stream = io.BytesIO()
    scipy_io.mmwrite(stream, coo)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mtx_body, "CHUNK_BYTES", chunk)
        csr = read_bytes(stream.getvalue())
    stream.seek(0)
    np.testing.assert_array_equal(csr.toarray(), sparse.csr_array(scipy_io.mmread(stream)).toarray())


def seeds() -> Iterator[bytes]:
    """Valid files to damage."""
    yield b"%%MatrixMarket matrix coordinate real general\n% c\n4 5 3\n1 1 1.5\n% d\n4 5 -2e-3\n2 2 +0\n"
    yield b"%%MatrixMarket matrix coordinate pattern symmetric\n3 3 2\n2 1\n3 3\n"
    yield b"%%MatrixMarket matrix coordinate integer skew-symmetric\n3 3 1\n3 1 -12\n"
    yield gzip.compress(b"%%MatrixMarket matrix coordinate real general\n2 2 2\n1 1 1\n2 2 2\n")
    for form in ("csr", "csc", "coo"):
        stream = io.BytesIO()
        sparse.save_npz(stream, sparse.random_array((6, 7), density=0.4, format=form, rng=1), compressed=form == "csc")
        yield stream.getvalue()


SEEDS = list(seeds())


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A valid file with a few bytes replaced, removed, repeated or inserted."""
    content = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        count = draw(st.integers(0, 6))
        piece = draw(
            st.one_of(
                st.binary(max_size=6),
                st.sampled_from(
                    [b"\n", b" ", b"%", b"-1", b"0", b"999999999999", b"nan", b"e", b".", b"+", b"\0", b"1 1 1\n"]
                ),
                st.just(bytes(content[at : at + count]) * 2),
            )
        )
        content[at : at + count] = piece
    return bytes(content)


def outcome(content: bytes) -> Any:
    """The matrix in `content`, or the error for users that reading it raises."""
    try:
        return read_bytes(content)
    except HwloopError as error:
        return error


def refused_or_sound(content: bytes) -> None:
    """Reading gives a well-formed finite matrix or a one-line error for users; nothing else."""
    csr = outcome(content)
    if isinstance(csr, HwloopError):
        assert str(csr)
        assert "\n" not in str(csr)
        return
    assert csr.indptr.size == csr.shape[0] + 1
    assert csr.indptr[0] == 0
    assert csr.indptr[-1] == csr.indices.size == csr.data.size
    assert np.all(np.diff(csr.indptr) >= 0)
    assert csr.indices.size == 0 or 0 <= csr.indices.min() <= csr.indices.max() < csr.shape[1]
    assert np.isfinite(csr.data).all()
    assert csr.data.dtype == np.float64


@settings(MANY, max_examples=600)
@given(damaged())
def test_damaged_files_are_refused_or_sound(content: bytes) -> None:
    refused_or_sound(content)


@settings(MANY, max_examples=200)
@given(
    st.sampled_from([b"", b"PK\x03\x04", b"\x1f\x8b", b"%%MatrixMarket matrix coordinate real general\n"]),
    st.one_of(st.binary(max_size=300), st.text("0123456789 \n.-+eE%", max_size=200).map(str.encode)),
)
def test_random_bytes_are_refused_or_sound(start: bytes, rest: bytes) -> None:
    refused_or_sound(start + rest)


@pytest.mark.slow
@settings(MANY, max_examples=20_000)
@given(damaged())
def test_many_damaged_files(content: bytes) -> None:
    refused_or_sound(content)
