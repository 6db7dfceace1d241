"""`simulate` on matrices of every kind, through both models, against SciPy; random ones with random machines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.errors import ConfigError, InvariantError, WorkloadError
from sim.result import SimulationResult
from sim.sparch import SpArchConfig, load_config, simulate
from sim.sparch.simulation import MODELS, SHALLOW


def random_matrix(rows: int, cols: int, density: float, seed: int) -> Any:
    """Mixed signs."""
    rng = np.random.default_rng(seed)
    return sp.csr_array(rng.standard_normal((rows, cols)) * (rng.random((rows, cols)) < density))


def with_explicit_zeros() -> Any:
    """Half of the stored entries are zero."""
    matrix = random_matrix(12, 12, 0.4, 1)
    matrix.data[::2] = 0
    return matrix


def with_duplicates() -> Any:
    """Entries that are to be summed."""
    row, column = np.array([0, 0, 1, 2, 2]), np.array([1, 1, 2, 0, 0])
    return sp.coo_array((np.array([1.0, 2.0, 3.0, 4.0, -4.0]), (row, column)), shape=(3, 3))


def with_empty_lines() -> Any:
    """Rows and columns without entries, first and last ones among them."""
    dense = random_matrix(20, 20, 0.4, 2).toarray()
    dense[[0, 3, 4, 19]] = 0
    dense[:, [0, 5, 19]] = 0
    return sp.csr_array(dense)


def with_dense_rows() -> Any:
    """Two full rows among thin ones: many condensed columns."""
    dense = random_matrix(150, 150, 0.02, 3).toarray()
    dense[[4, 90]] = np.arange(1, 151)
    return sp.csr_array(dense)


KINDS: dict[str, Any] = {
    "0 x 0": sp.csr_array((0, 0)),
    "0 x 3": sp.csr_array((0, 3)),
    "3 x 0": sp.csr_array((3, 0)),
    "no entries": sp.csr_array((5, 5)),
    "1 x 1": np.array([[3.0]]),
    "1 x 1 zero": sp.csr_array((np.zeros(1), ([0], [0])), shape=(1, 1)),
    "one entry": sp.csr_array(([2.0], ([3], [1])), shape=(6, 6)),
    "identity": sp.eye_array(40).tocsr(),
    "one row": random_matrix(1, 50, 0.5, 4),
    "one column": random_matrix(50, 1, 0.5, 5),
    "wide": random_matrix(7, 60, 0.2, 6),
    "tall": random_matrix(60, 7, 0.2, 7),
    "full": random_matrix(20, 20, 1.0, 8),
    "explicit zeros": with_explicit_zeros(),
    "duplicates": with_duplicates(),
    "empty lines": with_empty_lines(),
    "dense rows": with_dense_rows(),
    "cancellation": np.kron(np.eye(6), np.array([[1.0, 1.0], [-1.0, -1.0]])),
    "integers": sp.csr_array(np.arange(16).reshape(4, 4)),
    "booleans": sp.csr_array(np.eye(4, k=1, dtype=bool)),
}


def reference(a: Any, b: Any) -> tuple[Any, Any]:
    """Dense product, and the dense pattern product."""
    left, right = sp.csr_array(a).astype(float), sp.csr_array(b).astype(float)
    left.sum_duplicates()
    right.sum_duplicates()

    def ones(matrix: Any) -> Any:
        return sp.csr_array((np.ones(matrix.nnz), matrix.indices, matrix.indptr), shape=matrix.shape)

    return (left @ right).toarray(), (ones(left) @ ones(right)).toarray() > 0


def check(result: SimulationResult, a: Any, b: Any) -> None:
    """Product and structure against SciPy."""
    values, pattern = reference(a, b)
    product = result.product
    assert product.has_sorted_indices
    assert product.shape == values.shape
    assert product.nnz == result.output_nnz == pattern.sum()
    np.testing.assert_allclose(product.toarray(), values, rtol=1e-10, atol=1e-10)
    stored = np.zeros(values.shape, bool)
    stored[np.repeat(np.arange(values.shape[0]), np.diff(product.indptr)), product.indices] = True
    assert (stored == pattern).all()
    assert result.verified is True


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ways", [2, 64])
def test_kinds(kind: str, model: Any, ways: int) -> None:
    a = KINDS[kind]
    b = a if a.shape[0] == a.shape[1] else sp.csr_array(a).T
    check(simulate(a, model=model, config=load_config(settings={"merge_tree.ways": ways})), a, b)


@pytest.mark.parametrize("model", MODELS)
def test_row_longer_than_the_buffer(model: Any) -> None:
    a, b = random_matrix(30, 4, 0.5, 11), random_matrix(4, 500, 0.9, 12)
    config = load_config(settings={"prefetch.lines": 16, "prefetch.line_elements": 4, "lookahead.elements": 64})
    result = simulate(a, b, model=model, config=config)
    check(result, a, b)
    assert np.diff(b.indptr).max() > 16 * 4
    assert result.prefetch.read_elements > b.nnz


def test_models_agree_on_everything_but_time() -> None:
    a = random_matrix(120, 120, 0.1, 13)
    config = load_config(settings={"merge_tree.ways": 4})
    event, cycle = (simulate(a, model=model, config=config).to_dict() for model in MODELS)
    same = {"multiplications", "output_nnz", "flops", "dram_bytes", "channel_bytes", "prefetch", "bounds_cycles"}
    for name in (*same, "actions", "energy_j", "merge_rounds", "first_round_ways", "condensed_columns", "area_mm2"):
        assert event[name] == cycle[name], name
    assert set(event["units"]) == set(cycle["units"])
    assert event["events"] > 0
    assert abs(event["cycles"] - cycle["cycles"]) <= max(0.05 * cycle["cycles"], 200)


def test_figures_by_hand() -> None:
    # rows of A: 2, 1, 1 entries; B = A has rows of 2, 1, 1
    result = simulate(np.array([[1.0, 2.0, 0.0], [0.0, 0.0, 3.0], [4.0, 0.0, 0.0]]))
    assert result.condensed_columns == 2
    assert (result.merge_rounds, result.first_round_ways) == (1, 2)
    assert result.multiplications == 2 + 1 + 1 + 2
    assert result.output_nnz == 3 + 1 + 2
    assert result.flops == 2 * 6 - 6
    bytes_ = result.dram_bytes
    assert (bytes_.a_read, bytes_.b_read, bytes_.c_write) == (48, 48, 72)
    assert (bytes_.partial_read, bytes_.partial_write, bytes_.total) == (0, 0, 168)
    assert result.channel_bytes == 32 * (2 + (1 + 2 + 1) + 3)  # the second row of B crosses from burst 0 to 1
    assert result.ideal_dram_bytes == 168
    assert result.prefetch.requested_elements == 6
    assert result.prefetch.hit_rate == pytest.approx(1 / 3)
    assert result.bounds_cycles.model_dump() == {"bandwidth": 3, "multiply": 2, "merge": 1}
    assert result.actions == {
        "multiply": 6,
        "add": 0,
        "compare": 36 * 128 // 16,
        "fifo_word": 2 * 36,
        "prefetch_read_element": 6,
        "prefetch_write_element": 4,
        "lookahead_element": 8,
        "partial_buffer_element": 6,
        "dram_byte": 168,
    }
    assert result.seconds == pytest.approx(result.cycles * 1e-9)
    assert result.gflops == pytest.approx(6 / result.cycles)
    assert result.bandwidth_utilization == pytest.approx(168 / (128 * result.cycles))
    assert result.power_w == pytest.approx(result.energy_j.total / result.seconds)
    assert result.area_mm2["total"] == pytest.approx(28.49)


def test_nothing_to_do_is_all_zeros() -> None:
    for model in MODELS:
        result = simulate(sp.csr_array((5, 5)), model=model)
        assert (result.cycles, result.gflops, result.power_w, result.merge_rounds) == (0, 0.0, 0.0, 0)
        assert (result.bandwidth_utilization, result.prefetch.hit_rate, result.first_round_ways) == (0.0, 0.0, 0)
        assert result.energy_j.total == 0
        assert {unit.total for unit in result.units.values()} == {0}


def test_unverified() -> None:
    result = simulate(np.eye(3), verify=False)
    assert (result.verified, result.max_relative_error, result.wall_s.scipy, result.wall_s.verify) == (None,) * 4
    assert result.wall_s.simulate > 0


def test_wrong_product_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from sim.sparch import machine

    def wrong(plan: Any, **options: Any) -> Any:
        plan.product.data[0] += 1
        return run(plan, **options)

    simulate(np.eye(3))  # compiled
    run = machine.run_events
    monkeypatch.setattr(machine, "run_events", wrong)
    with pytest.raises(InvariantError, match=r"row 0, column 0: simulated 2\.0, SciPy 1\.0"):
        simulate(np.eye(3))


def test_second_operand() -> None:
    a, b = random_matrix(9, 5, 0.5, 14), random_matrix(5, 7, 0.5, 15)
    result = simulate(a, b, name="left", b_name="right", b_sha256="0" * 64)
    check(result, a, b)
    assert result.matrix.b is not None
    assert (result.matrix.b.name, result.matrix.b.cols, result.matrix.b.sha256) == ("right", 7, "0" * 64)
    square = np.eye(3)
    assert simulate(square, square.copy()).matrix.b is None
    transposed = simulate(a, name="left").matrix.b
    assert transposed is not None
    assert (transposed.name, transposed.rows, transposed.cols) == ("leftᵀ", 5, 9)


def test_operands_are_left_alone() -> None:
    a = random_matrix(20, 20, 0.3, 16)
    before = (a.data.copy(), a.indices.copy(), a.indptr.copy())
    result = simulate(a, config=load_config(settings={"merge_tree.ways": 2}))
    result.product.data[:] = 0
    for now, then in zip((a.data, a.indices, a.indptr), before, strict=True):
        assert (now == then).all()


def test_bad_operands() -> None:
    with pytest.raises(WorkloadError, match="do not multiply: 2 x 3 times 2 x 3; B needs 3 rows"):
        simulate(np.ones((2, 3)), np.ones((2, 3)))
    with pytest.raises(WorkloadError, match="NaN"):
        simulate(np.array([[np.nan]]))
    with pytest.raises(WorkloadError, match="complex"):
        simulate(np.array([[1j]]))


def test_bad_model() -> None:
    with pytest.raises(ConfigError, match=r"unknown model 'cycles'.*nearest: cycle"):
        simulate(np.eye(2), model="cycles")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no time line"):
        simulate(np.eye(2), model="cycle", trace=True)


def test_shallow_fifos_are_flagged_for_the_event_model_only() -> None:
    config = load_config(settings={"merge_tree.fifo_depth": 31})
    assert simulate(np.eye(4), config=config).flags == (SHALLOW,)
    assert simulate(np.eye(4), config=config, model="cycle").flags == ()
    assert simulate(np.eye(4)).flags == ()


def test_trace_covers_every_unit() -> None:
    result = simulate(random_matrix(60, 60, 0.2, 17), trace=True)
    assert result.trace is not None
    assert {"column_fetchers", "prefetcher", "multipliers", "partial_fetcher", "writer"} <= set(result.trace.slices)
    for slices in result.trace.slices.values():
        assert all(0 <= begin < end <= result.cycles for _, begin, end in slices)
    assert simulate(np.eye(2)).trace is None


def test_progress_names_the_stages() -> None:
    stages: list[tuple[str, int, int]] = []
    simulate(np.eye(3), progress=lambda *call: stages.append(call))
    assert [stage for stage, _, _ in stages if stage != "compile"] == ["plan", "event", "verify", "verify"]
    assert stages[-1] == ("verify", 1, 1)


def test_seconds_follow_the_clock() -> None:
    fast = simulate(np.eye(3), config=load_config(settings={"clock_hz": 2e9}))
    assert fast.seconds == pytest.approx(fast.cycles / 2e9)


@st.composite
def operands(draw: st.DrawFn) -> tuple[Any, Any]:
    """Two small matrices that multiply; few distinct values, so that sums cancel."""
    rows, inner, cols = (draw(st.integers(0, 12)) for _ in range(3))
    values = st.sampled_from([0.0, 0.0, 0.0, 1.0, -1.0, 2.5])

    def matrix(height: int, width: int) -> Any:
        cells = draw(st.lists(values, min_size=height * width, max_size=height * width))
        dense = np.array(cells).reshape(height, width)
        csr = sp.csr_array(dense)
        if csr.nnz and draw(st.booleans()):
            csr.data[:: draw(st.integers(1, 4))] = 0.0  # explicit zeros
        return csr

    return matrix(rows, inner), matrix(inner, cols)


@st.composite
def machines(draw: st.DrawFn) -> SpArchConfig:
    """Machines far from the published one."""

    def one(*choices: Any) -> Any:
        return draw(st.sampled_from(choices))

    return load_config(
        settings={
            "condensing": one(True, False),
            "schedule.policy": one("huffman", "random", "fifo", "sequential"),
            "schedule.leaf_weight": one("estimate", "exact"),
            "merge_tree.ways": one(2, 4, 8, 128),
            "merge_tree.width": one(1, 2, 5, 16),
            "merge_tree.fifo_depth": one(2, 4, 48),
            "multipliers.groups": one(1, 3),
            "multipliers.lanes": one(1, 8),
            "column_fetchers": one(1, 64),
            "lookahead.elements": one(128, 8192),
            "prefetch.policy": one("lookahead", "lru", "none"),
            "prefetch.lines": one(16, 64),
            "prefetch.line_elements": one(1, 3, 48),
            "prefetch.fetchers": one(1, 16),
            "prefetch.keep_between_rounds": one(True, False),
            "partials.element_bytes": one(12, 16, 20),
            "partials.fifo_depth": one(256, 1024),
            "dram.channels": one(1, 3, 16),
            "dram.bytes_per_cycle": one(3, 8),
            "dram.latency_cycles": one(0, 7, 100),
            "dram.burst_bytes": one(8, 32, 100),
            "dram.queue_bursts": one(1, 32),
            "dram.count_row_pointers": one(True, False),
            "event.block_elements": one(16, 8192),
        }
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(operands(), machines())
def test_random_products_on_random_machines(pair: tuple[Any, Any], config: SpArchConfig) -> None:
    a, b = pair
    results = [simulate(a, b, config=config, model=model) for model in MODELS]
    for result in results:
        check(result, a, b)
    event, cycle = results
    assert event.dram_bytes == cycle.dram_bytes
    assert event.channel_bytes == cycle.channel_bytes
    assert event.actions == cycle.actions


@pytest.mark.slow
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(operands(), machines())
def test_many_random_products(pair: tuple[Any, Any], config: SpArchConfig) -> None:
    for model in MODELS:
        check(simulate(*pair, config=config, model=model), *pair)


def test_package_and_module_names_do_not_clash() -> None:
    import sim.sparch.simulation

    assert sim.sparch.simulate is sim.sparch.simulation.simulate
    with pytest.raises(AttributeError, match="simulat"):
        _ = sim.sparch.simulat
