"""Names of baselines, and what stands behind each."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.suitesparse import libraries
from benchmarks.suitesparse.libraries import armadillo_build, cusparse_library, mkl_library
from benchmarks.suitesparse.libraries.library import missing
from benchmarks.suitesparse.libraries.registry import NAMES, check_names, resolve
from benchmarks.suitesparse.libraries.registry import libraries as rows_of
from sim.errors import ConfigError


def test_names_are_those_of_the_command_line() -> None:
    assert libraries.NAMES == ("scipy", "numba", "mkl", "torch", "graphblas", "armadillo", "cusparse")


@pytest.mark.parametrize("name", NAMES)
def test_each_row_is_found_again_by_its_address(name: str) -> None:
    for row in rows_of(name):
        assert resolve(row.where) is row
        assert row.baseline == name


def test_rows_of_numba_and_mkl_tell_their_kinds_apart() -> None:
    assert [row.name for row in rows_of("numba")] == ["numba-dense", "numba-hash"]
    assert [(row.name, row.sorted_output) for row in rows_of("mkl")] == [("mkl-unsorted", False), ("mkl-sorted", True)]


def test_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"^unknown baseline 'numpa'; choose from scipy, .*; nearest: numba$"):
        check_names(["scipy", "numpa"])
    with pytest.raises(ConfigError, match="unknown baseline"):
        rows_of("")


def test_names_are_kept_once_and_in_order() -> None:
    assert check_names(["torch", "scipy", "torch"]) == ("torch", "scipy")


def test_missing_names_what_to_install() -> None:
    assert missing("numpy", "numpy") is None
    assert missing("no_such_package_anywhere", "'hwloop[x]'") == (
        "no_such_package_anywhere is not installed; pip install 'hwloop[x]'"
    )


def test_mkl_is_found_below_the_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("prefix", "base_prefix"):
        monkeypatch.setattr(f"sys.{name}", str(tmp_path))
    monkeypatch.setattr("site.getuserbase", lambda: str(tmp_path / "user"))
    assert mkl_library.find_mkl_rt() is None
    library = tmp_path / "user" / "lib" / "libmkl_rt.so.3"
    library.parent.mkdir(parents=True)
    library.touch()
    assert mkl_library.find_mkl_rt() == library


def test_no_card_is_the_reason_without_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cusparse_library, "has_cuda_device", lambda: False)
    assert cusparse_library.LIBRARY.available() == "no CUDA device"


def test_armadillo_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    armadillo_build.available.cache_clear()
    monkeypatch.setenv("CXX", "no-such-compiler")
    try:
        assert str(armadillo_build.available()).startswith("no C++ compiler; install Armadillo's headers")
    finally:
        armadillo_build.available.cache_clear()
