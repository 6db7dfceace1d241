"""HAT's released models: printed parameters to 0.01 M, printed FLOPs (2 x MACs) to 0.01 G."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from models.lite_transformer.hat import HatArchitecture

DATA = Path(__file__).resolve().parents[2] / "data" / "hat_models.toml"
MODELS: list[dict[str, Any]] = tomllib.loads(DATA.read_text(encoding="utf-8"))["model"]
EXACT = {
    "wmt14ende_raspberrypi@3.5s": 25_217_536,
    "wmt14ende_titanxp@126.0ms": 40_972_800,
    "wmt14ende_xeon@450.9ms": 56_733_696,
    "iwslt14deen_titanxp@45.6ms": 16_820_736,
}


def built(row: dict[str, Any]) -> HatArchitecture:
    parts = (tuple(row[name]) for name in ("encoder_hidden", "decoder_hidden", "spans"))
    return HatArchitecture(row["encoder"], row["decoder"], *parts)


@pytest.mark.parametrize("row", MODELS, ids=lambda row: row["name"])
def test_printed_figures(row: dict[str, Any]) -> None:
    length = 23 if row["name"].startswith("iwslt") else 30
    arch = built(row)
    assert arch.params / 1e6 == pytest.approx(row["params_m"], abs=0.01)
    assert 2 * arch.macs(length, length) / 1e9 == pytest.approx(row["flops_g"], abs=0.01)
    assert arch.params == EXACT.get(row["name"], arch.params)


def test_the_table_has_no_row_twice() -> None:
    assert len({row["name"] for row in MODELS}) == len(MODELS) == 37
    assert set(EXACT) <= {row["name"] for row in MODELS}
