"""The checks of the accuracy table: which set and device belong to which, what is required and what is aimed at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

FEWEST_ROWS = 20


@dataclass(frozen=True)
class Bound:
    """Limits of a row: MAPE in % at most, share within 10 % at least, Spearman at least. None: not asked."""

    mape: float | None = None
    within_10: float | None = None
    spearman: float | None = None

    def holds(self, row: dict[str, Any]) -> bool:
        """Whether a row of `validate` keeps all limits."""
        return (
            (self.mape is None or row["mape"] <= self.mape)
            and (self.within_10 is None or row["within_10"] >= self.within_10)
            and (self.spearman is None or (row["spearman"] or 0.0) >= self.spearman)
        )


REQUIRED_AND_AIM: dict[str, tuple[Bound, Bound]] = {
    "note10-table": (Bound(4.0), Bound(2.0)),
    "pixel1-table": (Bound(12.0), Bound(6.0)),
    "zynq-table": (Bound(10.0), Bound(4.0)),
    "360-latency": (Bound(5.0, 0.90, 0.98), Bound(2.0, 0.98, 0.995)),
    "360-torchmobile-latency": (Bound(5.0, 0.90, 0.98), Bound(2.0)),
    "360-energy": (Bound(8.0, 0.80), Bound(4.0, 0.95)),
    "360-torchmobile-energy": (Bound(8.0, 0.80), Bound(6.0, 0.88)),
    "help-nb201": (Bound(spearman=0.95), Bound(spearman=0.98)),
    "help-nb201-noisy": (Bound(spearman=0.94), Bound(spearman=0.96)),
    "help-nb201-whole-ms": (Bound(spearman=0.85), Bound(spearman=0.90)),
    "help-ofa-batched": (Bound(4.5, spearman=0.97), Bound(3.0)),
    "help-ofa-batch1": (Bound(9.0), Bound(6.0)),
    "ten-shot": (Bound(spearman=0.93), Bound(spearman=0.95)),
    "real-cnns-float": (Bound(6.0, spearman=0.99), Bound(3.0)),
    "real-cnns-int8": (Bound(8.0, spearman=0.99), Bound(5.0)),
    "real-cnns-family-out": (Bound(12.0), Bound(8.0)),
    "hat-enfr-pi-titan": (Bound(4.0, spearman=0.93), Bound(2.5)),
    "hat-others": (Bound(6.5, spearman=0.93), Bound(5.0)),
    "hat-iwslt": (Bound(7.5, spearman=0.93), Bound(6.0)),
    "note10-resolutions": (Bound(3.0), Bound(1.5)),
}
"""Check -> what is required, what is aimed at."""

NOISY = ("raspi4", "pixel3", "gold_6240", "silver_4114")
WHOLE_MS = ("pixel2", "essential_ph_1", "samsung_s7", "samsung_a50")
ARITHMETIC = {"help_nb201": ("eyeriss", "fpga"), "help_fbnet": ("pixel3", "raspi4", "eyeriss", "fpga")}
"""Columns that are sums of costs by construction: they check arithmetic, not accuracy."""


def name_of(set_name: str, device: str, what: str) -> str:
    """The check that a set on a device belongs to; the set's own name where it is none of the table's."""
    if device in ARITHMETIC.get(set_name, ()):
        return "arithmetic-only"
    if set_name.startswith("hwnasbench360"):
        return f"360-torchmobile-{what}" if "torchmobile" in device else f"360-{what}"
    if set_name == "help_nb201":
        return "help-nb201-noisy" if device in NOISY else "help-nb201-whole-ms" if device in WHOLE_MS else "help-nb201"
    if set_name == "help_ofa_mbv3":
        return "help-ofa-batch1" if device.endswith("_1") else "help-ofa-batched"
    if set_name.startswith("hat_"):
        if set_name == "hat_iwslt14deen":
            return "hat-iwslt"
        return "hat-enfr-pi-titan" if set_name == "hat_wmt14enfr" and device != "cpu-xeon" else "hat-others"
    if set_name == "mobileml_tflite_cnn" and device in ("pixel4-1large-float", "pixel4-1large-int8"):
        return "real-cnns-int8" if device.endswith("int8") else "real-cnns-float"
    tables = {"note10_ofa_mbv3_w12": "note10-table", "zynq_dpu_ofa_proxyless": "zynq-table"}
    return {**tables, "pixel1_proxyless_mobilenetv2": "pixel1-table"}.get(set_name, set_name)
