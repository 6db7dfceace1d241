"""Matrix Market files and npz archives: what is read, and with which words the rest is refused."""

from __future__ import annotations

import gzip
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from benchmarks.suitesparse import load_matrix, memory, mtx, mtx_body
from benchmarks.suitesparse.matrix import max_row_nnz
from benchmarks.suitesparse.readers import matrix_name, read_matrix
from sim.errors import InputError

REAL = "%%MatrixMarket matrix coordinate real general\n"


def read_text(folder: Path, text: str | bytes) -> Any:
    """The matrix in a file with `text`."""
    path = folder / "a.mtx"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_matrix(path)


def refusal(folder: Path, text: str | bytes) -> str:
    """The message with which `text` is refused, after checking that it is one line."""
    with pytest.raises(InputError) as caught:
        read_text(folder, text)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(folder / "a.mtx"))
    return message


def entries(csr: Any) -> list[tuple[int, int, float]]:
    """Stored entries in row-major order."""
    coo = csr.tocoo()
    return list(zip(coo.row.tolist(), coo.col.tolist(), coo.data.tolist(), strict=True))


@pytest.mark.parametrize(
    ("banner", "body", "expected"),
    [
        ("real general", "2 3 2\n1 3 1.5\n2 1 -2e-1\n", [[0, 0, 1.5], [-0.2, 0, 0]]),
        ("integer general", "2 2 2\n1 1 7\n2 2 -3\n", [[7, 0], [0, -3]]),
        ("pattern general", "2 2 2\n1 2\n2 2\n", [[0, 1], [0, 1]]),
        ("real symmetric", "2 2 2\n1 1 4\n2 1 5\n", [[4, 5], [5, 0]]),
        ("integer symmetric", "2 2 2\n2 2 4\n2 1 5\n", [[0, 5], [5, 4]]),
        ("pattern symmetric", "3 3 2\n2 1\n3 3\n", [[0, 1, 0], [1, 0, 0], [0, 0, 1]]),
        ("real skew-symmetric", "2 2 1\n2 1 5\n", [[0, -5], [5, 0]]),
        ("integer skew-symmetric", "2 2 1\n2 1 5\n", [[0, -5], [5, 0]]),
        ("double general", "1 1 1\n1 1 +.5\n", [[0.5]]),
    ],
)
def test_every_form(tmp_path: Path, banner: str, body: str, expected: list[list[float]]) -> None:
    csr = read_text(tmp_path, f"%%MatrixMarket matrix coordinate {banner}\n{body}")
    assert csr.toarray().tolist() == expected
    assert csr.data.dtype == np.float64
    assert csr.indices.dtype == np.int32
    assert csr.has_canonical_format


@pytest.mark.parametrize(
    "text",
    [
        "%%MatrixMarket matrix coordinate real general\n2 2 2\n1 1 1\n% between\n2 2 2\n",
        REAL + "\n% a\n\n%\n 2  2\t2 \n\n  % b\n1 1 1\n\n \t\n2 2 2\n%end\n\n\n",
        "%%matrixmarket MATRIX Coordinate REAL General\r\n%\r\n2 2 2\r\n1 1 1\r\n%\r\n2 2 2\r\n\r\n",
        "%%MatrixMarket matrix coordinate real general\n2 2 2\n1 1 1 % one\n   2 2 2.0",
        "%%MatrixMarket matrix coordinate real general\n2 2 2\n1 1 +1e+0\n2 2 +2.E+00\n",
        "\ufeff%%MatrixMarket matrix coordinate real general\n2 2 2\n1 1 1\n2 2 2\n",
        "%MatrixMarket matrix coordinate real general\n2 2 2\n2 2 2\n1 1 1\n",
    ],
)
def test_comments_blank_lines_and_notations(tmp_path: Path, text: str) -> None:
    assert entries(read_text(tmp_path, text)) == [(0, 0, 1.0), (1, 1, 2.0)]


def test_comments_across_many_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mtx_body, "CHUNK_BYTES", 37)
    lines = "".join(f"{i} {i} {i}.25\n%% {i} comment 1 1 1\n" for i in range(1, 501))
    assert read_text(tmp_path, f"{REAL}500 500 500\n{lines}").diagonal().tolist() == [i + 0.25 for i in range(1, 501)]
    assert "line 1003: value 'x' is not" in refusal(tmp_path, f"{REAL}500 500 501\n{lines}1 1 x\n")


def test_gzip_is_recognised_by_content(tmp_path: Path) -> None:
    text = (REAL + "2 2 1\n1 2 3\n").encode()
    for name in ("a.mtx.gz", "a.mtx"):
        (tmp_path / name).write_bytes(gzip.compress(text[:20]) + gzip.compress(text[20:]))
        assert entries(read_matrix(tmp_path / name)) == [(0, 1, 3.0)]


def test_what_must_work(tmp_path: Path) -> None:
    assert read_text(tmp_path, REAL + "0 0 0\n").shape == (0, 0)
    assert read_text(tmp_path, REAL + "3 0 0\n").shape == (3, 0)
    empty = read_text(tmp_path, REAL + "4 5 0")
    assert (empty.shape, empty.nnz, max_row_nnz(empty)) == ((4, 5), 0, 0)
    assert entries(read_text(tmp_path, REAL + "1 1 1\n1 1 2\n")) == [(0, 0, 2.0)]
    zeros = read_text(tmp_path, REAL + "3 3 3\n1 1 0\n3 3 -0.0\n2 2 1\n")
    assert zeros.nnz == 3
    cancelled = read_text(tmp_path, REAL + "2 2 3\n1 1 1\n1 1 -1\n1 1 0\n")
    assert entries(cancelled) == [(0, 0, 0.0)]
    summed = read_text(tmp_path, REAL + "2 2 4\n2 1 1\n1 1 1\n2 1 2\n2 1 4\n")
    assert entries(summed) == [(0, 0, 1.0), (1, 0, 7.0)]
    dense = read_text(tmp_path, REAL + "2 1000 1000\n" + "".join(f"2 {j} 1\n" for j in range(1000, 0, -1)))
    assert dense.indices.tolist() == list(range(1000))
    wide = read_text(tmp_path, REAL + "2 5000000000 1\n2 5000000000 1\n")
    assert (wide.shape, wide.indices.tolist(), wide.indices.dtype) == ((2, 5 * 10**9), [5 * 10**9 - 1], np.int64)


def test_symmetric_diagonal_and_mirrored_zeros(tmp_path: Path) -> None:
    csr = read_text(tmp_path, "%%MatrixMarket matrix coordinate real symmetric\n3 3 3\n1 1 2\n3 1 0\n2 2 0\n")
    assert entries(csr) == [(0, 0, 2.0), (0, 2, 0.0), (1, 1, 0.0), (2, 0, 0.0)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("\n", "not a matrix"),
        ("1 2 3\n", "not a matrix"),
        (bytes(range(256)) * 20, "not a matrix"),
        ("%%MatrixMarket\n", "the banner has 1 words"),
        ("%%MatrixMarket vector coordinate real general\n1 1 1\n1 1 1\n", "holds a 'vector'"),
        ("%%MatrixMarket matrix array real general\n1 1\n1\n", "dense 'array' format is not supported: a dense"),
        ("%%MatrixMarket matrix coordinat real general\n1 1 0\n", "unknown format 'coordinat'; nearest: coordinate"),
        (
            "%%MatrixMarket matrix coordinate complex general\n1 1 1\n1 1 1 1\n",
            "complex values are not supported: SpArch",
        ),
        ("%%MatrixMarket matrix coordinate complex hermitian\n1 1 1\n1 1 1 1\n", "complex values are not supported"),
        ("%%MatrixMarket matrix coordinate rael general\n1 1 0\n", "unknown kind of values 'rael'; nearest: real"),
        ("%%MatrixMarket matrix coordinate real symetric\n1 1 0\n", "symmetry 'symetric'; nearest: symmetric"),
        ("%%MatrixMarket matrix coordinate real symmetric\n1 2 0\n", "a symmetric matrix is square, this one is 1 x 2"),
        (REAL, "ends before the size line"),
        (REAL + "%\n%\n", "ends before the size line"),
        (REAL + "1 1\n", "line 2: the size line '1 1' is not three whole numbers"),
        (REAL + "%\n1 1 x\n", "line 3: the size line '1 1 x' is not three"),
        (REAL + "1 1 1.0\n", "not three whole numbers"),
        (REAL + "-1 1 0\n", "negative size in '-1 1 0'"),
        (REAL + "1 1 -2\n", "negative size"),
        (REAL + "99999999999999999999 1 0\n", "99999999999999999999 is beyond 64-bit integers"),
        (REAL + "3 3 3\n1 1 1\n2 2 2\n", "the header promises 3 entries, the file"),
        (REAL + "3 3 1\n1 1 1\n2 2 2\n3 3 3\n", "the header promises 1 entries, the file holds 3"),
        (REAL + "3 3 999999999999\n1 1 1\n", "promises 999999999999 entries, the file has room for 1 at most"),
        (REAL + "0 3 1\n1 1 1\n", "promises 1 entries in a matrix of 0 x 3"),
        (REAL + "3 3 2\n1 1 1\n0 2 1\n", "line 4: row index 0 is outside 1..3; indices start at 1"),
        (REAL + "3 3 2\n%\n1 1 1\n%\n\n2 0 1\n", "line 7: column index 0 is outside 1..3; indices start at 1"),
        (REAL + "3 3 1\n4 1 1\n", "line 3: row index 4 is outside 1..3"),
        (REAL + "3 3 1\n-1 1 1\n", "line 3: row index -1 is outside 1..3"),
        (REAL + "3 3 1\n99999999999999999999999999 1 1\n", "row index 99999999999999999999999999 is outside 1..3"),
        (REAL + "3 3 1\n1.5 1 1\n", "line 3: '1.5' is not an index; an entry is: row column value"),
        (REAL + "3 3 1\n1e0 1 1\n", "'1e0' is not an index"),
        (REAL + "3 3 1\n1 1 nan\n", "line 3: value 'nan' is not finite"),
        (REAL + "3 3 1\n1 1 -Infinity\n", "value '-Infinity' is not finite"),
        (REAL + "3 3 1\n2 3 1e400\n", "the value at row 2, column 3 is not finite: inf"),
        (REAL + "3 3 2\n2 3 1e308\n2 3 1e308\n", "the value at row 2, column 3 is not finite: inf"),
        (REAL + "3 3 1\n1 1 1.0D3\n", "value '1.0D3' is not a decimal number"),
        (REAL + "3 3 1\n1 1 1-3\n", "value '1-3' is not a decimal number"),
        (REAL + "3 3 1\n1 1 1.2.3\n", "value '1.2.3' is not a decimal number"),
        (REAL + "3 3 1\n1 1 1e5e5\n", "value '1e5e5' is not a decimal number"),
        (REAL + "3 3 1\n1 1 1e5.0\n", "value '1e5.0' is not a decimal number"),
        (REAL + "3 3 1\n1 1 .\n", "value '.' is not a decimal number"),
        (REAL + "3 3 1\n1 1 1e", "value '1e' is not a decimal number"),
        (REAL + "3 3 2\n1 1 1\n2 2", "the file has room for 1 at most"),
        (REAL + "3 3 2\n1 1 1.000\n2 2", "line 4: 2 fields where the header announces 3: row column value"),
        (REAL + "3 3 2\n1 1 1.000\n2", "line 4: 1 field where the header announces 3"),
        (REAL + "3 3 1\n1 1 1 junk\n", "line 3: 4 fields where the header announces 3"),
        (REAL + "3 3 2\n1 1\n2 2 2 2\n", "line 3: 2 fields where the header announces 3"),
        (REAL + "3 3 1\n1 1 0x10\n", "value '0x10' is not a decimal number"),
        (REAL + "3 3 1\n1 1 \0\n", "is not a decimal number"),
        (REAL + "3 3 1\n1 1 1\xff\n", r"value '1\\xc3\\xbf' is not a decimal number"),
        ("%%MatrixMarket matrix coordinate pattern general\n3 3 1\n1 1 5\n", "3 fields where the header announces 2"),
        ("%%MatrixMarket matrix coordinate integer general\n3 3 1\n1 1 1.5\n", "value '1.5' is not an integer"),
        ("%%MatrixMarket matrix coordinate real skew-symmetric\n2 2 1\n1 1 1\n", "has a zero diagonal, this one does"),
    ],
)
def test_bad_text_is_refused_in_one_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    assert message in refusal(tmp_path, text)


def test_a_header_for_more_memory_than_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "of memory" in refusal(tmp_path, REAL + f"{2**62} 3 1\n1 1 1\n")
    monkeypatch.setattr(memory, "available_memory", lambda: 1000)
    message = refusal(tmp_path, REAL + "1000 1000 1\n1 1 1\n")
    assert "a matrix of 1000 x 1000 with 1 stored entries takes about 4.04 kB of memory; 1 kB is available" in message


def test_compressed_header_that_promises_too_much(tmp_path: Path) -> None:
    message = refusal(tmp_path, gzip.compress((REAL + "3 3 999999999\n1 1 1\n").encode()))
    assert "promises 999999999 entries, the file has room for" in message


def test_an_endless_line_is_cut_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mtx_body, "LONGEST_LINE", 1 << 21)
    assert "line 3: longer than" in refusal(tmp_path, REAL + "3 3 1\n" + "1" * (1 << 22))
    assert "line 2: longer than" in refusal(tmp_path, REAL + "%" * (1 << 20))


@pytest.mark.parametrize("cut", [1, 4, 9, 15, 60, 200, -9, -8, -1])
def test_truncated_gzip(tmp_path: Path, cut: int) -> None:
    text = REAL + "99 99 99\n" + "".join(f"{i} {100 - i} {i * 0.37}\n" for i in range(1, 100))
    packed = gzip.compress(text.encode())
    message = refusal(tmp_path, packed[:cut])
    assert ("not a matrix" if cut == 1 else "cut off or damaged") in message


def test_damaged_gzip(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress((REAL + "9 9 1\n1 1 1\n").encode()))
    packed[-8] ^= 255
    assert "cut off or damaged" in refusal(tmp_path, bytes(packed))


def test_files_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "wiki-Vote.mtx").write_text("")
    with pytest.raises(InputError, match=r"no file '.*wiki-vote\.mtx'; nearest: wiki-Vote\.mtx"):
        read_matrix(tmp_path / "wiki-vote.mtx")
    with pytest.raises(InputError, match="there is no folder"):
        read_matrix(tmp_path / "nowhere" / "a.mtx")
    with pytest.raises(InputError, match="is a folder, not a matrix file"):
        read_matrix(tmp_path)
    os.mkfifo(tmp_path / "pipe.mtx")
    with pytest.raises(InputError, match="not a regular file"):
        read_matrix(tmp_path / "pipe.mtx")
    with pytest.raises(InputError, match="cannot read"):
        read_matrix("a\0b.mtx")
    with pytest.raises(InputError, match="cannot read"):
        read_matrix("a" * 5000 + ".mtx")


def test_matrix_name() -> None:
    assert [matrix_name(f"x/{name}") for name in ("a.mtx", "a.b.mtx.gz", "a.npz", "a.txt", ".npz")] == [
        "a",
        "a.b",
        "a",
        "a.txt",
        ".npz",
    ]


# ---------------------------------------------------------------------------------------------------------------- npz


def npz_refusal(path: Path) -> str:
    """The message with which the archive `path` is refused."""
    with pytest.raises(InputError) as caught:
        read_matrix(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def write_npz(folder: Path, **arrays: Any) -> Path:
    """A correct 2 x 3 csr matrix like save_npz writes it, with `arrays` in place of its own (None: left out)."""
    whole = {"format": np.array(b"csr"), "shape": np.array([2, 3]), "data": np.array([1.0, 2.0])}
    whole |= {"indices": np.array([2, 0], np.int32), "indptr": np.array([0, 1, 2], np.int32)} | arrays
    path = folder / "a.npz"
    np.savez(path, **{name: array for name, array in whole.items() if array is not None})
    return path


@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int8, np.uint64, np.bool_])
@pytest.mark.parametrize("compressed", [True, False])
def test_npz_of_scipy(tmp_path: Path, form: str, dtype: type, compressed: bool) -> None:
    dense = np.array([[0, 1, 0], [3, 0, 1]]).astype(dtype)
    for kind in (sparse.csr_array, sparse.csr_matrix):
        sparse.save_npz(tmp_path / "a.npz", kind(dense).asformat(form), compressed=compressed)
        csr = read_matrix(tmp_path / "a.npz")
        assert csr.toarray().tolist() == dense.astype(float).tolist()
        assert (csr.data.dtype, csr.has_canonical_format) == (np.float64, True)


def test_npz_unsorted_duplicates_zeros_and_spare_room(tmp_path: Path) -> None:
    arrays = {"data": np.array([5.0, 0, 2, 3, 9]), "indices": np.array([2, 0, 1, 1, 7])}
    csr = read_matrix(write_npz(tmp_path, **arrays, indptr=np.array([0, 2, 4])))
    assert entries(csr) == [(0, 0, 0.0), (0, 2, 5.0), (1, 1, 5.0)]


def test_npz_empty(tmp_path: Path) -> None:
    for shape in ((0, 0), (0, 4), (3, 0), (3, 3)):
        sparse.save_npz(tmp_path / "a.npz", sparse.csr_array(shape))
        assert (read_matrix(tmp_path / "a.npz").shape, read_matrix(tmp_path / "a.npz").nnz) == (shape, 0)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"format": None}, "no 'format' in it (holds data, indices"),
        ({"format": np.array(b"bsr")}, "sparse format 'bsr' is not supported; nearest: csr"),
        ({"format": np.array(3)}, "'format' is not a word"),
        ({"indptr": None}, "csr matrix without its array 'indptr'"),
        ({"shape": np.array([2, 3, 4])}, "shape [2, 3, 4] is not two whole numbers"),
        ({"shape": np.array([-2, 3])}, "shape [-2, 3] is not two whole numbers"),
        ({"shape": np.array([2.0, 3])}, "is not two whole numbers"),
        ({"shape": np.array([2**63 + 1, 3], np.uint64)}, "is beyond 64-bit"),
        ({"shape": np.array([2**62, 3])}, "takes about 36.9 EB of memory"),
        ({"data": np.array([1.0, object()], object)}, "'data' holds Python objects, which are never loaded"),
        ({"indices": np.array([1, None])}, "'indices' holds Python objects"),
        ({"data": np.array([1j, 2])}, "complex values are not supported"),
        ({"data": np.array(["a", "b"])}, "'data' is not a list of real numbers"),
        ({"data": np.ones((2, 2))}, "'data' is not a list of real numbers"),
        ({"data": np.array([1.0, np.nan])}, "the value at row 2, column 1 is not finite: nan"),
        ({"data": np.array([np.inf, 1])}, "the value at row 1, column 3 is not finite: inf"),
        ({"data": np.array([1.0])}, "'indptr' runs from 0 to 2, but the entries are 0 to 1"),
        ({"data": np.ones(3)}, "arrays differ in length: data 3, indices 2"),
        ({"indices": np.array([3, 0])}, "'indices' holds 3, outside 0..2"),
        ({"indices": np.array([-1, 0])}, "'indices' holds -1, outside of the matrix"),
        ({"indices": np.array([2**40, 0])}, "outside of the matrix"),
        ({"indices": np.array([0.0, 1.0])}, "'indices' is not a list of integers"),
        ({"indptr": np.array([0, 2])}, "'indptr' has 2 elements, 3 are needed"),
        ({"indptr": np.array([1, 1, 2])}, "'indptr' runs from 1 to 2"),
        ({"indptr": np.array([0, 2, 1])}, "'indptr' decreases after row or column 1"),
        ({"indptr": np.array([0, 1, 3])}, "'indptr' runs from 0 to 3"),
        ({"format": np.array(b"coo"), "row": np.array([2, 0]), "col": np.array([0, 0])}, "'row' holds 2, outside 0..1"),
        ({"format": np.array(b"coo"), "row": np.array([0]), "col": np.array([0, 0])}, "arrays differ in length"),
    ],
)
def test_bad_npz_is_refused_in_one_line(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    assert message in npz_refusal(write_npz(tmp_path, **arrays))


def test_npz_that_is_no_archive_of_arrays(tmp_path: Path) -> None:
    path = write_npz(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "damaged or not a matrix" in npz_refusal(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("format.npy", b"nonsense")
    assert "damaged or not a matrix" in npz_refusal(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello.txt", b"nonsense")
    assert "not a sparse matrix of scipy.sparse.save_npz" in npz_refusal(path)


def test_npz_array_that_announces_more_than_it_holds(tmp_path: Path) -> None:
    path = write_npz(tmp_path, data=None)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("data.npy", header.getvalue() + b"\0" * 16)
    assert "'data' announces 1000000000000 elements, more than the file holds" in npz_refusal(path)


def test_npz_for_more_memory_than_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_npz(tmp_path)
    monkeypatch.setattr(memory, "available_memory", lambda: 10)
    assert "of memory; 10 B is available" in npz_refusal(path)


# --------------------------------------------------------------------------------------------------------- real files


@pytest.mark.parametrize("name", ["wiki-Vote", "p2p-Gnutella31", "poisson3Da"])
def test_text_and_archive_hold_the_same_matrix(shared_data: Path, name: str) -> None:
    text = load_matrix(str(shared_data / "matrices" / f"{name}.mtx.gz"))
    archive = load_matrix(str(shared_data / "matrices" / f"{name}.npz"))
    assert text.sha256 == archive.sha256
    assert text.name == archive.name == name


def test_a_cut_real_file(shared_data: Path, tmp_path: Path) -> None:
    packed = (shared_data / "matrices" / "wiki-Vote.mtx.gz").read_bytes()
    assert "cut off or damaged" in refusal(tmp_path, packed[: len(packed) // 2])
    text = gzip.decompress(packed)
    assert "the header promises 103689 entries, the file has room for" in refusal(tmp_path, text[: len(text) // 3])
    cut = text[: text.rindex(b"\n", 0, len(text) - 20) + 1]
    assert "the header promises 103689 entries, the file holds 1036" in refusal(tmp_path, cut)


def test_header_fields_are_kept(tmp_path: Path) -> None:
    text = b"%%MatrixMarket matrix coordinate pattern symmetric\n%\n\n7 7 3\n"
    assert mtx.read_header(io.BytesIO(text), "x") == mtx.Header("pattern", "symmetric", 7, 7, 3, 4, len(text))
