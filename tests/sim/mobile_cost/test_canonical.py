"""The table that users write: units, operators, networks, and one line for every fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.errors import InputError
from sim.mobile_cost.canonical import read
from sim.network import Network
from sim.operator import Operator

HEAD = "network,count,kind,shape,out_channels,kernel,stride,padding,latency_ms,energy_mj\n"
ALONE = ",1,conv2d,32x56x56,64,3x3,2x2,1x1x1x1,0.84,\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text)
    return path


def test_operators_and_networks(tmp_path: Path) -> None:
    text = (
        HEAD
        + ALONE
        + "mine,2,conv2d,32x56x56,32,3x3,1x1,1x1x1x1,9.1,21.5\nmine,1,linear,1x32,1000,,,,,\nzoo/x,,,,,,,,28.5,\n"
    )
    known = Network.chain([Operator("linear", (1, 8), 8)])
    data = read(write(tmp_path, text), "phone", resolve=lambda name: known)
    assert list(data.batch.names) == ["conv2d", "mine", "zoo/x"]
    assert data.latency_s.tolist() == pytest.approx([0.84e-3, 9.1e-3, 28.5e-3])
    assert data.energy_j[1] == pytest.approx(21.5e-3)
    assert data.batch.macs.tolist() == [28 * 28 * 64 * 32 * 9, 2 * 56 * 56 * 32 * 32 * 9 + 32000, 64]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD.replace("latency_ms", "latency") + ALONE, "column 'latency' has no unit"),
        (HEAD.replace("latency_ms", "speed") + ALONE, "unknown column 'speed'"),
        (HEAD.replace("latency_ms", "latency_s") + ALONE.replace("0.84", "fast"), "not a number"),
        (HEAD.replace("energy_mj", "latency_us") + ALONE, "exactly one of the columns"),
        (HEAD + ALONE.replace("0.84", ""), "exactly one positive latency_ms, has none"),
        (HEAD + ALONE.replace("0.84", "-1"), "exactly one positive latency_ms"),
        (HEAD + ALONE.replace("conv2d", "conv3d"), "no operator kind 'conv3d'; nearest: conv2d"),
        (HEAD + ALONE.replace("32x56x56", "32x56xy"), "invalid literal"),
        (HEAD + "zoo/x,,,,,,,,28.5,\n", "nothing that knows networks by name"),
        (HEAD, "no rows"),
        ("latency_ms\n3\n", "column 'kind' .operators. or 'network' .networks. is missing"),
    ],
)
def test_faults(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as fault:
        read(write(tmp_path, text))
    assert "\n" not in str(fault.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read(tmp_path / "none.csv")
