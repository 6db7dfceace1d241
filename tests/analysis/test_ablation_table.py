"""The steps as a table: bytes and cycles of each step, gains beside the published ones."""

from __future__ import annotations

from analysis.ablation_table import render_ablation


def test_the_table_has_each_step_and_the_published_gain() -> None:
    steps = [
        {"name": name, "dram_bytes": moved, "cycles": cycles}
        for name, moved, cycles in (
            ("pipelined merge", 800_000_000, 9_000_000),
            ("+ condensing", 400_000_000, 3_000_000),
            ("+ Huffman", 200_000_000, 2_000_000),
            ("+ prefetcher", 100_000_000, 1_000_000),
        )
    ]
    gains = {"pipelined merge": 0.25, "+ condensing": 2.0, "+ Huffman": 2.0, "+ prefetcher": 2.0}
    record = {
        "matrices": [{"name": "web-Google~", "outerspace_dram_bytes": 200_000_000, "steps": steps}],
        "averages": {"dram_gain": gains, "cycles_gain": {"+ condensing": 3.0}},
    }
    lines = [line.split() for line in render_ablation(record).splitlines()]
    assert ["web-Google~", "200.00", "800.00", "400.00", "200.00", "100.00"] in lines
    assert ["web-Google~", "9,000,000", "3,000,000", "2,000,000", "1,000,000"] in lines
    assert ["+", "condensing", "2.00", "5.40", "3.00", "8.80"] in lines
