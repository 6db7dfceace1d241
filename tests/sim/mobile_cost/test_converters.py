"""Converters: exact counts of what they lower, and the published sets where they are there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sim.errors import InputError
from sim.mobile_cost.converters import nb201, ofa, tiny
from sim.mobile_cost.converters.assembly import chains
from sim.mobile_cost.converters.folder import load
from sim.mobile_cost.rows import read_rows

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|none~2|"


def test_cells_are_lowered_as_each_runtime_runs_them() -> None:
    codes = nb201.parse(CELL)
    assert codes == (3, 0, 1, 4, 2, 0)
    eager, _ = nb201.cell(codes, "eager")
    assert [eager.count(name) for name in ("conv_3x3", "conv_1x1", "pool", "zero", "sum")] == [1, 1, 1, 2, 6]
    graph, inputs = nb201.cell(codes, "graph")
    assert sorted(graph) == ["conv_1x1", "conv_3x3", "pool", "relu", "relu", "sum"]
    assert all(source < place for place, sources in enumerate(inputs) for source in sources)


def test_equal_operators_on_one_input_run_once_when_traced() -> None:
    codes = nb201.parse("|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|avg_pool_3x3~0|none~1|skip_connect~2|")
    assert nb201.cell(codes, "traced")[0].count("relu") == 1
    assert nb201.cell(codes, "eager")[0].count("relu") == 2


def test_lowered_cells_have_the_macs_of_the_space() -> None:
    batches = nb201.lower(np.array([CELL]), (3, 32, 32), 10)
    stem, head = 32 * 32 * 16 * 27, 64 * 10
    cells = sum(5 * (side * side * width * width * 10) for side, width in ((32, 16), (16, 32), (8, 64)))
    halves = sum(side * side * out * (out * 9 + out * 9 // 2 + out // 2) for side, out in ((16, 32), (8, 64)))
    assert {name: int(batch.macs[0]) for name, batch in batches.items()} == dict.fromkeys(
        nb201.VARIANTS, stem + head + cells + halves
    )


def test_no_cell() -> None:
    with pytest.raises(InputError, match="no NAS-Bench-201 cell"):
        nb201.parse("|nor_conv_9x9~0|")


@pytest.mark.parametrize(
    ("width", "kernel", "expand", "depth", "resolution", "macs"),
    [
        (1.0, 7, 6, 4, 224, 566_170_656),
        (1.0, 3, 3, 2, 128, 41_476_224),
        (1.2, 5, 4, 3, 160, 198_948_384),
        (1.2, 7, 6, 4, 224, 843_101_040),
    ],
)
def test_sub_networks_have_the_anchored_macs(
    width: float, kernel: int, expand: int, depth: int, resolution: int, macs: int
) -> None:
    slots = ofa.slots(np.full(20, kernel), np.full(20, expand), np.full(5, depth), resolution, width)
    assert chains([slots], lambda block: ofa.lower(block, norm=True)).macs.tolist() == [macs]


def test_reference_networks_of_mlperf_tiny() -> None:
    macs = {name: sum(op.macs for op in build()) for name, build in tiny.NETWORKS.items()}
    assert macs["Image Classification"] == 12_501_632
    assert macs["Anomaly Detection"] == 264_192
    assert macs["Person Detection"] == pytest.approx(7.49e6, rel=0.01)
    assert macs["Keyword Spotting"] == pytest.approx(2.66e6, rel=0.03)


def test_released_networks_have_their_published_macs(shared_data: Path) -> None:
    path = shared_data / "latency" / "e2e" / "ofa_specialized.csv"
    published = {row["net_id"]: int(row["macs"]) for row in read_rows(path, ("net_id", "macs"))}
    for one in ofa.read_specialised(path):
        for name, macs in zip(one.batch.names, one.batch.macs.tolist(), strict=True):
            assert macs == published[name] * one.batch.context.batch_size, name


def test_a_folder_without_known_tables(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to read"):
        load(tmp_path)
    with pytest.raises(InputError, match="no folder"):
        load(tmp_path / "none")
    (tmp_path / "note10_ofa_mbv3_w12_heldout.csv").write_text("resolution,op\n160,Conv\n")
    with pytest.raises(InputError, match="column 'in_h' is missing"):
        load(tmp_path)
