"""Every figure of a result and every setting has a definition; a wrong name is answered with the nearest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from analysis.glossary import define, explain_statistic, find, glossary
from sim.errors import InputError
from sim.outerspace.config import setting_names as outerspace_names
from sim.sparch.config import setting_names


def paths(tree: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted paths of all keys, tables included."""
    for key, value in tree.items():
        yield prefix + key
        if isinstance(value, Mapping):
            yield from paths(value, f"{prefix}{key}.")


@pytest.fixture(scope="module")
def real() -> dict[str, Any]:
    """Result of a small simulation with two different operands and several rounds."""
    import numpy as np
    import scipy.sparse as sp

    from sim.sparch.config import load_config
    from sim.sparch.simulation import simulate

    noise = np.random.default_rng(1)
    a = sp.random_array((40, 30), density=0.2, rng=noise, format="csr")
    b = sp.random_array((30, 50), density=0.2, rng=noise, format="csr")
    return simulate(a, b, config=load_config(settings={"merge_tree.ways": 4})).to_dict()


@pytest.fixture(scope="module")
def outerspace() -> dict[str, Any]:
    """Result of the other accelerator."""
    import numpy as np

    from sim.outerspace import simulate

    return simulate(np.ones((4, 4))).to_dict()


def test_every_key_of_a_real_result_is_defined(real: dict[str, Any], outerspace: dict[str, Any]) -> None:
    assert [path for record in (real, outerspace) for path in paths(record) if define(path) is None] == []
    assert "matrix.b.nnz" in set(paths(real))


def test_nothing_is_defined_that_no_result_has(real: dict[str, Any], outerspace: dict[str, Any]) -> None:
    existing = {*paths(real), *paths(outerspace)}
    assert [name for name in glossary() if "*" not in name and name not in existing] == []


def test_every_setting_is_defined_under_its_own_name() -> None:
    for name in (*setting_names(), *outerspace_names()):
        if name == "version":  # of hwloop, and of the layout of the configuration
            continue
        assert [one.name for one in find(name)] == [f"config.{name}"]


def test_definitions_are_complete() -> None:
    for definition in glossary().values():
        assert definition.unit
        assert definition.text.endswith(".")


def test_exact_names_units_and_endings() -> None:
    text = explain_statistic("dram_bytes.b_read")
    assert text.startswith("dram_bytes.b_read [B]")
    assert "= 12 x prefetch.read_elements" in text
    assert explain_statistic("hit_rate").startswith("prefetch.hit_rate [0..1]")
    assert "nothing to work on" in explain_statistic("units.merge_layer_3.starved")
    assert explain_statistic("multipliers").count("[") >= 1
    assert {one.name for one in find("total")} == {"dram_bytes.total", "energy_j.total", "area_mm2.total"}


@pytest.mark.parametrize(("wrong", "right"), [("cycels", "cycles"), ("dram_bytes.b_raed", "dram_bytes.b_read")])
def test_a_wrong_name_is_answered_with_the_nearest(wrong: str, right: str) -> None:
    with pytest.raises(InputError, match=f"no statistic called '{wrong}'; nearest: {right}"):
        explain_statistic(wrong)


@pytest.mark.parametrize("wrong", ["", "...", "*", "zzzzzzzz", "units.*"])
def test_nonsense_is_refused_in_one_line(wrong: str) -> None:
    with pytest.raises(InputError, match=r"\Ano statistic called [^\n]*\Z"):
        explain_statistic(wrong)
