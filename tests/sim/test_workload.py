"""Networks and batches of them: totals, liveness, selection, joining, factored counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from sim.errors import WorkloadError
from sim.network import INPUT, Network
from sim.workload import FEATURES, Context, Operator, WorkloadBatch

CONV = Operator("conv2d", (4, 8, 8), 4, (3, 3), padding=(1, 1, 1, 1))
RELU = Operator("activation", (4, 8, 8), function="relu")
ADD = Operator("elementwise", (4, 8, 8), others=((4, 8, 8),), function="add")
POOL = Operator("pool", (4, 8, 8), size=(1, 1), function="mean")
FC = Operator("linear", (4,), 10)
TENSOR = 4 * 8 * 8 * 4
RESIDUAL = Network((CONV, RELU, CONV, ADD, POOL, FC), ((-1,), (0,), (1,), (2, -1), (3,), (4,)))

networks = st.lists(st.lists(st.sampled_from([CONV, RELU, ADD, POOL, FC]), max_size=6), min_size=1, max_size=5)


def test_of_a_residual_network() -> None:
    batch = WorkloadBatch.of([RESIDUAL, [FC]], names=["net", "head"])
    assert batch.operators == (CONV, RELU, ADD, POOL, FC)
    assert batch.counts.toarray().tolist() == [[2, 1, 1, 1, 1], [0, 0, 0, 0, 1]]
    assert batch.macs.tolist() == [2 * CONV.macs + FC.macs, FC.macs]
    assert batch.params.tolist() == [2 * CONV.params + FC.params, FC.params]
    assert batch.macs.dtype == np.int64
    assert batch.network_features["kernel_launches"].tolist() == [6, 1]
    assert batch.network_features["critical_path_operators"].tolist() == [6, 1]
    assert batch.network_features["serial_steps"].tolist() == [1, 1]
    assert batch.peak_activation_bytes.tolist() == [3 * TENSOR, (4 + 10) * 4]


def test_the_longest_path_is_not_the_number_of_operators() -> None:
    split = Network((CONV, CONV, CONV, ADD), ((-1,), (-1,), (1,), (0, 2)))
    assert (split.kernel_launches, split.critical_path_operators) == (4, 3)


def test_an_activation_works_in_place_unless_its_input_is_needed_later() -> None:
    assert Network.chain([RELU, RELU]).peak_activation_bytes == TENSOR
    assert Network((RELU, RELU, ADD), ((-1,), (0,), (1, 0))).peak_activation_bytes == 2 * TENSOR
    assert Network.chain([Operator("fused", fused=(RELU, RELU))]).peak_activation_bytes == TENSOR
    assert Network.chain([CONV]).peak_activation_bytes == 2 * TENSOR


def test_batch_size_multiplies_activations_and_not_weights() -> None:
    one, eight = (WorkloadBatch.of([[CONV, RELU]], context=Context(batch_size=size)) for size in (1, 8))
    assert eight.macs == 8 * one.macs
    assert eight.params == one.params
    assert eight.bytes_written == 8 * one.bytes_written
    assert eight.bytes_read - eight.weight_bytes == 8 * (one.bytes_read - one.weight_bytes)
    assert eight.peak_activation_bytes == 8 * one.peak_activation_bytes


def test_a_narrower_dtype_shrinks_bytes_and_nothing_else() -> None:
    wide = WorkloadBatch.of([RESIDUAL])
    narrow = wide.with_context(Context(dtype="int8"))
    assert narrow.macs == wide.macs
    assert 4 * narrow.bytes_read == wide.bytes_read
    assert 4 * narrow.peak_activation_bytes == wide.peak_activation_bytes
    assert narrow.fingerprint != wide.fingerprint


def test_idle_parameters_count_and_cost_nothing() -> None:
    batch = WorkloadBatch.of([Network((FC,), ((-1,),), idle_params=7), [FC]])
    assert batch.params.tolist() == [FC.params + 7, FC.params]
    assert batch.weight_bytes.tolist() == [4 * FC.params] * 2


def test_fingerprints_follow_content_and_not_names() -> None:
    one, same = WorkloadBatch.of([RESIDUAL], names=["a"]), WorkloadBatch.of([RESIDUAL], names=["b"])
    other = WorkloadBatch.of([RESIDUAL.then([FC.with_bits(8, 8)])])
    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert one.fingerprint != one.with_context(Context(threads=2)).fingerprint


@given(networks, st.data())
def test_selecting_and_joining_give_the_same_rows(lists: list[list[Operator]], data: st.DataObject) -> None:
    batch = WorkloadBatch.of(lists)
    rows = data.draw(st.lists(st.integers(0, len(lists) - 1), min_size=1, max_size=6))
    chosen = batch.select(rows)
    joined = WorkloadBatch.concatenate([WorkloadBatch.of([lists[row]]) for row in rows])
    assert chosen.macs.tolist() == joined.macs.tolist() == batch.macs[rows].tolist()
    assert chosen.bytes_read.tolist() == joined.bytes_read.tolist()
    for name in FEATURES:
        assert chosen.network_features[name].tolist() == joined.network_features[name].tolist()
    assert list(chosen.names) == ["0", "1", "2", "3", "4", "5"][: len(rows)]


@given(networks)
def test_totals_are_sums_over_operators(lists: list[list[Operator]]) -> None:
    batch = WorkloadBatch.of(lists)
    for name, column in (("macs", batch.macs), ("params", batch.params), ("bytes_written", batch.bytes_written)):
        assert column.tolist() == [sum(getattr(op, name) for op in ops) for ops in lists]


def test_factored_counts_give_what_whole_ones_give() -> None:
    choices = csr_array(np.array([[1, 2], [0, 1]]))
    blocks = csr_array(np.array([[1, 1, 0], [0, 3, 1]]))
    features = {name: np.arange(2) for name in FEATURES}
    factored = WorkloadBatch((CONV, RELU, FC), choices, features, blocks=blocks)
    whole = WorkloadBatch((CONV, RELU, FC), choices @ blocks, features)
    assert factored.counts.toarray().tolist() == whole.counts.toarray().tolist() == [[1, 7, 2], [0, 3, 1]]
    values = np.arange(6.0).reshape(3, 2)
    assert factored.total(values).tolist() == whole.total(values).tolist()
    assert factored.select([1]).macs.tolist() == [FC.macs]
    assert WorkloadBatch.concatenate([factored, whole]).macs.tolist() == [*factored.macs, *factored.macs]


def test_totals_beyond_32_bits_are_exact() -> None:
    large = Operator("linear", (4096, 4096), 4097)
    assert WorkloadBatch.of([[large] * 3]).macs.tolist() == [3 * 4096 * 4096 * 4097]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Network((CONV,), ((0,),)), "takes from"),
        (lambda: Network((CONV, CONV), ((INPUT,),)), "edges of 1"),
        (lambda: Context(dtype="float31"), "no dtype 'float31'; nearest: float32"),
        (lambda: Context(batch_size=0), "at least 1"),
        (lambda: WorkloadBatch.of([[FC]], names=["a", "b"]), "names: 2 rows for 1"),
        (lambda: WorkloadBatch.of([[FC]]).total(np.ones(2)), "2 values for 1 operators"),
        (lambda: WorkloadBatch.concatenate([]), "must exist"),
        (lambda: WorkloadBatch((FC,), csr_array(np.ones((1, 2))), {name: [1] for name in FEATURES}), "do not fit 1"),
    ],
)
def test_what_does_not_fit_is_refused(make: object, words: str) -> None:
    with pytest.raises(WorkloadError, match=words):
        make()  # type: ignore[operator]


def test_an_empty_network_asks_for_nothing() -> None:
    batch = WorkloadBatch.of([[], [FC]])
    assert batch.macs.tolist() == [0, FC.macs]
    assert batch.peak_activation_bytes.tolist()[0] == 0
