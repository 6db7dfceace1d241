"""Downloads against a local server: what arrives, what is refused, what is resumed, what is kept."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.suitesparse import fetch, load_matrix, locate, transfer
from benchmarks.suitesparse.matrix import Matrix
from sim.errors import InputError

sys.path.insert(0, str(Path(__file__).parent))
from collection_server import Collection, archive

PATH = "/MM/Test/tiny.tar.gz"


@pytest.fixture
def delivered(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> Collection:
    """The collection without a network between: what it holds is copied, to test what comes after the transfer."""
    monkeypatch.setattr(fetch, "_transfer", lambda url, path, progress: path.write_bytes(collection.files[PATH]))
    return collection


def kept_files() -> list[str]:
    """Names of everything in the cache but lock files."""
    return sorted(one.name for one in locate.cache_folder().rglob("*") if one.is_file() and one.suffix != ".lock")


def test_fetches_once_and_loads_by_name(collection: Collection, tiny: Matrix) -> None:
    loaded = load_matrix("tiny")
    assert loaded.sha256 == tiny.sha256
    assert (loaded.name, loaded.source) == ("tiny", "download cache")
    assert kept_files() == ["tiny.json", "tiny.npz"]
    seen = len(collection.requests)
    assert load_matrix("tiny").sha256 == tiny.sha256
    assert len(collection.requests) == seen


def test_interrupted_transfer_goes_on_where_it_stopped(collection: Collection, tiny: Matrix) -> None:
    collection.cut_after = [5000, 4000]
    assert load_matrix("tiny").sha256 == tiny.sha256
    last = len(collection.files[PATH]) - 1
    assert collection.transfers() == [f"bytes=0-{last}", f"bytes=5000-{last}", f"bytes=9000-{last}"]


def test_a_later_call_resumes(collection: Collection, tiny: Matrix, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "_ATTEMPTS", 1)
    collection.cut_after = [6000]
    with pytest.raises(InputError, match=r"broke off after 6,000 bytes .*run the same command to go on"):
        fetch.fetch_matrix("tiny")
    assert "tiny.npz" not in kept_files()
    assert load_matrix("tiny").sha256 == tiny.sha256
    assert collection.transfers()[-1] == f"bytes=6000-{len(collection.files[PATH]) - 1}"


def test_a_damaged_note_of_a_partial_transfer_starts_over(collection: Collection, tiny: Matrix) -> None:
    partial = locate.cache_folder() / "partial"
    partial.mkdir(parents=True)
    (partial / "tiny.tar.gz.json").write_text("[half")
    (partial / "tiny.tar.gz.0").write_bytes(b"rubbish")
    assert load_matrix("tiny").sha256 == tiny.sha256
    assert collection.transfers() == [f"bytes=0-{len(collection.files[PATH]) - 1}"]


def test_server_without_ranges(collection: Collection, tiny: Matrix) -> None:
    collection.ranges = False
    assert load_matrix("tiny").sha256 == tiny.sha256


def test_a_changed_archive_is_not_joined_to_an_old_part(
    collection: Collection, tiny: Matrix, tiny_text: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "_ATTEMPTS", 1)
    collection.cut_after = [6000]
    with pytest.raises(InputError):
        fetch.fetch_matrix("tiny")
    collection.files[PATH] = archive({"tiny/tiny.mtx": tiny_text})
    assert load_matrix("tiny").sha256 == tiny.sha256


def test_damaged_cached_file_is_fetched_again(collection: Collection, tiny: Matrix) -> None:
    cached = fetch.fetch_matrix("tiny")
    content = bytearray(cached.read_bytes())
    content[len(content) // 2] ^= 1
    cached.write_bytes(content)
    assert not fetch.is_intact(cached)
    assert load_matrix("tiny").sha256 == tiny.sha256
    assert fetch.is_intact(cached)


def test_fetched_again_it_must_be_the_archive_of_the_first_time(delivered: Collection, tiny_text: bytes) -> None:
    cached = fetch.fetch_matrix("tiny")
    cached.write_bytes(b"damaged")
    delivered.files[PATH] = archive({"tiny/tiny.mtx": tiny_text})
    with pytest.raises(InputError, match=r"sha256 is .* expected .*; remove .*tiny\.json to accept"):
        fetch.fetch_matrix("tiny")


def test_wrong_checksum_keeps_nothing(delivered: Collection) -> None:
    with pytest.raises(InputError, match=r"sha256 is [0-9a-f]{16}\.\.\., expected 0{16}"):
        fetch.fetch_matrix("tiny", sha256="0" * 64)
    assert kept_files() == []


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"tiny/other.mtx": b"x"}, "holds no file tiny/tiny.mtx"),
        ({"tiny/tiny.mtx->": b"/etc/passwd"}, "holds no file tiny/tiny.mtx"),
        ({"../tiny/tiny.mtx": b"x"}, "holds no file tiny/tiny.mtx"),
        ({"tiny/tiny.mtx": b"hello"}, "not a matrix"),
        ({"tiny/tiny.mtx": b"%%MatrixMarket matrix coordinate real general\n2 2 1\n1 1 1\n"}, "it is 2 x 2, not 300"),
        ({"tiny/tiny.mtx": b"%%MatrixMarket matrix coordinate real general\n300 300 1\n1 1 1\n"}, "has 1 entries, not"),
        ({"tiny/tiny.mtx": b"%" * 19_000_000}, "more than tiny can have"),
    ],
)
def test_wrong_content_is_named_and_not_kept(delivered: Collection, members: dict[str, bytes], message: str) -> None:
    delivered.files[PATH] = archive(members)
    with pytest.raises(InputError, match=message):
        fetch.fetch_matrix("tiny")
    assert kept_files() == []


def test_moved_entry_is_found_by_the_pattern_hash(delivered: Collection, tiny: Matrix, tiny_text: bytes) -> None:
    head, body = tiny_text.split(f"300 300 {tiny.nnz}\n".encode())
    lines = [line.split() for line in body.decode().splitlines()]
    swapped = "".join(f"{301 - int(i)} {301 - int(j)} {value}\n" for i, j, value in lines)
    content = head + f"300 300 {tiny.nnz}\n".encode() + swapped.encode()
    delivered.files[PATH] = archive({"tiny/tiny.mtx": content})
    with pytest.raises(InputError, match="its pattern sha256 is"):
        fetch.fetch_matrix("tiny")


def test_not_an_archive(delivered: Collection) -> None:
    delivered.files[PATH] = b"<html>Sorry</html>" * 100
    with pytest.raises(InputError, match=r"not a tar\.gz archive or is damaged"):
        fetch.fetch_matrix("tiny")
    assert kept_files() == []


def test_truncated_archive(delivered: Collection) -> None:
    delivered.files[PATH] = delivered.files[PATH][:-3000]
    with pytest.raises(InputError, match="damaged"):
        fetch.fetch_matrix("tiny")


def test_not_on_the_server(collection: Collection) -> None:
    del collection.files[PATH]
    with pytest.raises(InputError, match=r"tiny\.tar\.gz is not on the server \(HTTP 404\)"):
        fetch.fetch_matrix("tiny")


def test_offline_is_one_line_that_says_what_to_do(collection: Collection) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/MM"
    with pytest.raises(
        InputError, match=r"does not answer.*offline, put the matrix in a folder of HWLOOP_DATA"
    ) as caught:
        fetch.fetch_matrix("tiny", base_url=url)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("base", ["file:///etc", "nonsense", "http://", "http://host:port/"])
def test_addresses_that_are_not_http(collection: Collection, base: str) -> None:
    with pytest.raises(InputError, match="not an http or https address"):
        fetch.fetch_matrix("tiny", base_url=base)


def test_names_that_cannot_be_fetched(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nearest: scircuit"):
        fetch.fetch_matrix("scirciut", cache_dir=tmp_path)
    with pytest.raises(InputError, match=r"facebook cannot be fetched: SNAP ego-Facebook.*HWLOOP_DATA"):
        fetch.fetch_matrix("facebook", cache_dir=tmp_path)


def test_two_processes_do_not_share_a_partial_file(collection: Collection) -> None:
    fcntl = pytest.importorskip("fcntl")
    partial = locate.cache_folder() / "partial"
    partial.mkdir(parents=True)
    with open(partial / "tiny.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another process is fetching tiny"):
            fetch.fetch_matrix("tiny")


def test_cache_folder_that_cannot_be_made(collection: Collection, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot keep tiny in"):
        fetch.fetch_matrix("tiny", cache_dir=tmp_path / "file" / "below")


def test_a_bar_is_drawn_only_when_asked(collection: Collection, capsys: pytest.CaptureFixture[str]) -> None:
    fetch.fetch_matrix("tiny")
    silent = capsys.readouterr()
    assert (silent.out, silent.err) == ("", "")


def test_the_sidecar_says_where_it_came_from(collection: Collection, tiny: Matrix) -> None:
    cached = fetch.fetch_matrix("tiny", progress=True)
    record = json.loads(cached.with_suffix(".json").read_text())
    assert record["url"] == f"{collection.url}/Test/tiny.tar.gz"
    assert (record["rows"], record["nnz"], record["pattern_sha256"]) == (300, tiny.nnz, tiny.pattern_sha256)
    with np.load(cached, allow_pickle=False) as arrays:
        assert arrays["data"].size == tiny.nnz
