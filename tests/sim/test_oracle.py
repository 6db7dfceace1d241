"""The seam: a user's own oracle in a few lines, and tables that refuse what does not fit."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from sim.errors import WorkloadError
from sim.oracle import COLUMNS, CostTable, Operator, OperatorCost, Oracle
from sim.workload import WorkloadBatch

FC = Operator("linear", (4,), 10)
BATCH = WorkloadBatch.of([[FC], [FC, FC]], names=["one", "two"])


class Additive:
    """A device on which every MAC takes a nanosecond, known to a tenth."""

    name = "additive"
    fingerprint = "additive 1 ns"

    def cost(self, batch: WorkloadBatch, *, breakdown: bool = False) -> CostTable:
        seconds = batch.total(batch.operator_values("macs")) * 1e-9
        listed = [[OperatorCost(FC, 1, 4e-8, math.nan, -1, 40, 40)]] * len(batch) if breakdown else []
        return CostTable.of(
            batch, latency_s=seconds, latency_low_s=0.9 * seconds, latency_high_s=1.1 * seconds, breakdown=listed
        )


def test_anybody_can_write_an_oracle() -> None:
    oracle: Oracle = Additive()
    assert isinstance(oracle, Oracle)
    table = oracle.cost(BATCH)
    assert table["latency_s"].tolist() == [40e-9, 80e-9]
    assert table["macs"].tolist() == [40, 80]
    assert table["peak_memory_bytes"].tolist() == BATCH.peak_activation_bytes.tolist()
    assert [len(one) for one in oracle.cost(BATCH, breakdown=True).breakdown] == [1, 1]


def test_rows_are_json_and_say_what_is_unknown() -> None:
    rows = Additive().cost(BATCH).rows()
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    assert [row["network"] for row in rows] == ["one", "two"]
    assert set(rows[0]) == {"network", "flags", *COLUMNS}
    assert rows[0]["energy_j"] is None
    assert rows[0]["dram_bytes"] is None
    assert rows[0]["latency_low_s"] == pytest.approx(36e-9)


def test_an_interval_that_is_not_given_is_the_value_itself() -> None:
    table = CostTable.of(BATCH, energy_j=np.array([1.0, 2.0]))
    assert table["energy_low_j"].tolist() == table["energy_high_j"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"latency_ms": np.ones(2)}, "no cost column 'latency_ms'; nearest: latency_s"),
        ({"latency_s": np.ones(3)}, "3 rows for 2"),
        (
            {"latency_s": np.ones(2), "latency_low_s": np.array([0.5, 2.0])},
            "latency of 'two', 1, lies outside its 2..1",
        ),
        ({"flags": (("a",),)}, "'flags' has 1 rows"),
    ],
)
def test_what_does_not_fit_is_refused(columns: dict[str, object], words: str) -> None:
    with pytest.raises(WorkloadError, match=words):
        CostTable.of(BATCH, **columns)  # type: ignore[arg-type]


def test_a_column_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(WorkloadError, match="nearest: latency_s"):
        Additive().cost(BATCH)["latency"]
    with pytest.raises(WorkloadError, match="'params' is missing"):
        CostTable(("one",), {name: np.ones(1) for name in COLUMNS if name != "params"})
