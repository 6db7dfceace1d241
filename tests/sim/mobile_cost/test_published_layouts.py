"""Converters of published layouts on a few rows of their files; the counts beside them were worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sim.errors import InputError
from sim.mobile_cost.converters import block_tables, fbnet, mobileml, tiny, ultra96
from sim.mobile_cost.terms import kernel_class

ULTRA96 = {
    "Conv_in-3x224x224_out-24_k-3_act-relu": (0.352, 24 * 27 * 112**2, 1),
    "Linear_in-1536_out-1000": (0.822, 1_536_000, 1),
    # mid 24 * 4: 24*96*112^2 + 96*25*56^2 + 96*32*56^2
    "ResidualBlock-in_24x112x112-out_32-k_5-e_4-s_2-act_relu-use_se_False": (1.257, 46_061_568, 3),
    # mid 408, gate 104: 2 * 136*408*14^2 + 408*9*14^2 + 2 * 408*104; pool, two of the gate, and the product besides
    "ResidualBlock-in_136x14x14-out_136-k_3-e_3-s_1-act_h_swish-use_se_True": (0.614, 22_555_872, 7),
}


def test_ultra96(shared_data: Path) -> None:
    (one,) = ultra96.read(shared_data / "latency" / "op_luts" / "ultra96_dpu_mbv3_blocks.csv")
    assert (one.device, len(one), one.whole_network) == ("ultra96-dpu", 97, False)
    assert one.batch.context.dtype == "int8"
    for name, (milliseconds, macs, launches) in ULTRA96.items():
        row = list(one.batch.names).index(name)
        assert one.latency_s[row] == pytest.approx(milliseconds / 1e3)
        assert one.batch.macs[row] == macs, name
        assert one.batch.network_features["kernel_launches"][row] == launches, name
    strided = ultra96.block("ResidualBlock-in_24x112x112-out_32-k_5-e_4-s_2-act_relu-use_se_False")
    assert [kernel_class(op) for op in strided] == ["conv_1x1", "depthwise_strided", "conv_1x1"]
    assert strided[-1].output_shape == (32, 56, 56)
    with pytest.raises(InputError, match="'Pool_in-3' names no block"):
        ultra96.block("Pool_in-3")


def test_ultra96_agrees_with_the_workload_that_the_file_gives(shared_data: Path) -> None:
    path = shared_data / "latency" / "op_luts" / "ultra96_dpu_mbv3_blocks.csv"
    from sim.mobile_cost.rows import number, read_rows

    published = np.array([number(row, "workload_gop", path) for row in read_rows(path, ("workload_gop",))])
    (one,) = ultra96.read(path)
    ratio = 2e-9 * one.batch.macs / np.maximum(published, 1e-9)
    large = published > 0.02  # rounded to 0.001
    assert np.median(np.abs(ratio[large] - 1)) < 0.05


# first network of the file: k5_e6, skip, k3_e1_g2, skip, …
FBNET_SLOTS = [
    (("stem",), [27 * 16 * 112**2]),
    (("slot", "k5_e6", 16, 112, 16, 1), [16 * 96 * 112**2, 25 * 96 * 112**2, 96 * 16 * 112**2]),
    (("slot", "skip", 16, 112, 24, 2), [16 * 24 * 56**2]),
    (("slot", "k3_e1_g2", 24, 56, 24, 1), [12 * 24 * 56**2, 9 * 24 * 56**2, 12 * 24 * 56**2]),
    (("slot", "skip", 24, 56, 24, 1), []),
    (("head", 352, 7), [352 * 1504 * 49, 0, 1_504_000]),
]


@pytest.mark.parametrize(("block", "macs"), FBNET_SLOTS)
def test_slots_of_fbnet(block: tuple[object, ...], macs: list[int]) -> None:
    assert [op.macs for op in fbnet.lower(block)] == macs


def test_fbnet(shared_data: Path) -> None:
    sets = {one.device: one for one in fbnet.read(shared_data / "latency" / "e2e" / "help_fbnet.npz")}
    assert len(sets) == 27
    assert {name: len(one) for name, one in sets.items()} == dict.fromkeys(sets, 3750)
    assert sets["1080ti_1"].latency_s[0] == pytest.approx(10.61535e-3)
    assert sets["essential_ph_1"].latency_s[0] == pytest.approx(31e-3)
    assert [sets[name].batch.context.batch_size for name in ("gold_6226", "titan_rtx_32", "titanx_64")] == [1, 32, 64]
    first = sets["gold_6226"].batch.select([0])
    counted = {kernel_class(op): 0 for op in first.operators}
    for op, count in zip(first.operators, first.counts.toarray()[0], strict=True):
        counted[kernel_class(op)] += int(count)
    # slots 7 8 1 8 4 8 8 8 7 4 1 4 7 3 2 7 3 2 4 2 4 5: sixteen blocks, five skips at unit stride or strided
    blocks = [code for code in (7, 8, 1, 8, 4, 8, 8, 8, 7, 4, 1, 4, 7, 3, 2, 7, 3, 2, 4, 2, 4, 5) if code != 8]
    assert counted["depthwise"] + counted["depthwise_strided"] == len(blocks)
    assert counted["conv_grouped"] == 2 * sum(code in (1, 5) for code in blocks)
    assert counted["conv_stem"] == counted["global_pool"] == counted["linear"] == 1


def test_mobileml(shared_data: Path) -> None:
    folder = shared_data / "latency"
    table = folder / "op_luts" / "mobileml_tflite_cnn_ops_gpu.csv"
    sets = {one.device: one for one in mobileml.read(folder / "e2e" / "mobileml_tflite_cnn_e2e.csv", [table])}
    large = sets["pixel4-1large-float"]
    row = list(large.batch.names).index("mobilenetv2_w1")
    assert large.latency_s[row] == pytest.approx(28516.9e-6)
    assert large.family[row] == "mobilenetv2"
    # MobileNetV2 with a 1x1 expansion in its first block too; the file says twice these, and 1280 * 49 of the pool
    assert large.batch.macs[row] == 300_774_272 + 32 * 32 * 112**2 == (627_301_376 - 1280 * 49) // 2
    assert sets["pixel4-1large-int8"].batch.context.dtype == "int8"
    small, whole = (one.batch.weight_bytes[row] for one in (sets["pixel4-1large-int8"], large))
    assert small * 4 == pytest.approx(whole, rel=1e-3)
    assert len({len(one) for one in sets.values()}) == 1


def test_mobileml_wants_operators_of_every_network(tmp_path: Path) -> None:
    ends, table = tmp_path / "mobileml_tflite_cnn_e2e.csv", tmp_path / "ops.csv"
    ends.write_text("model,pixel4|1large|float|mean\nmine,3\n")
    table.write_text("model,operation,feature\nother,CONV_2D,{}\n")
    with pytest.raises(InputError, match="no operator rows of 'mine'"):
        mobileml.read(ends, [table])


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("mobilenetv3_small_w1", "mobilenetv3"),
        ("seresnet18", "resnet"),
        ("mobilenetv2b_w1", "mobilenetv2"),
        ("fdmobilenet_wd4", "mobilenet"),
        ("regnety016", "regnet"),
        ("squeezeresnet_v1_0", "squeezenet"),
        ("densenet121", "densenet"),
    ],
)
def test_families_of_cnns(model: str, name: str) -> None:
    assert mobileml.family(model) == name


def test_quantised_tables_are_int8(shared_data: Path) -> None:
    folder = shared_data / "latency" / "op_luts"
    zynq, pixel = (
        block_tables.read(folder / f"{stem}.csv") for stem in ("zynq_dpu_ofa_proxyless", "pixel1_proxyless_mobilenetv2")
    )
    assert (zynq.batch.context.dtype, pixel.batch.context.dtype) == ("int8", "float32")
    stem = list(zynq.batch.names).index("128:Conv:128:3:64:30:-1:-1:-1")
    assert zynq.latency_s[stem] == pytest.approx(0.9930279850746268e-3)
    assert zynq.batch.macs[stem] == 27 * 30 * 64**2
    assert zynq.batch.bytes_written[stem] == 30 * 64**2


def test_a_board_has_a_group_for_each_reference_network(shared_data: Path) -> None:
    sets = {one.device: one for one in tiny.read(shared_data / "latency" / "e2e" / "mlperf_tiny_v11_stm32.csv")}
    older, newer = (sets[f"nucleo-h7a3zi-x-cube-ai-{version}"] for version in ("7.3.0", "8.0.0"))
    assert older.space == newer.space
    for one in (older, newer):
        assert dict(zip(one.batch.names, one.group.tolist(), strict=True)) == {
            name: place for place, name in enumerate(tiny.NETWORKS)
        }
    assert np.isnan(older.energy_j[0])
    assert newer.energy_j[0] == pytest.approx(235.833e-6)
