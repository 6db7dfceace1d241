"""The record of `hwloop demo lite-transformer` as text: translations, the winner, compressed models, SpArch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.markdown import Record

if TYPE_CHECKING:
    from rich.table import Table

_WIDE = 132
_ARRAY = "dense array"


def render_demo(record: Record) -> str:
    """All of it as text."""
    from analysis.plain_text import plain

    lines, notes = _translations(record), _notes(record)
    winner, small, simulated = _winner(record), _compressed(record), _on_sparch(record)
    return plain(*lines, "", winner, "", small, "", simulated, "", *notes, width=_WIDE)


def _translations(record: Record) -> list[str]:
    from rich.markup import escape

    lines = ["translations by the shipped model"]
    for one in record["translations"]:
        lines += [f"  {escape(one['text'])}", f"    {escape(one['translation'])}"]
    return lines


def _winner(record: Record) -> Table:
    from analysis.plain_text import figure_table, number

    best = record["search"]["best"]
    cost, measured, shipped = best["predicted"]["costs"][0], best["measured"], record["shipped_model"]
    table = figure_table("a sentence of 30 tokens on this machine", ("predicted", "90 % interval", "measured", "model"))
    span = f"{_ms(cost['latency_low_s'])} to {_ms(cost['latency_high_s'])}"
    rows = (_ms(cost["latency_s"]), span, _ms(measured["latency_s"]), _ms(shipped["latency_s"]))
    table.add_row("latency of the winner, ms", *rows)
    sizes = (f"{measured['params'] / 1e3:,.0f}", "", "", f"{shipped['params'] / 1e3:,.0f}")
    table.add_row("parameters without embeddings, k", *sizes)
    loss = number(best["predicted"]["valid_loss"], 3)
    table.add_row("loss on the validation split, nats a token", loss, "", "–", "–")
    return table


def _compressed(record: Record) -> Table:
    from analysis.plain_text import figure_table

    heads = ("bytes", "times smaller", "index, codebooks", "own loss", "chrF", "same sentences")
    table = figure_table("the shipped model, compressed, not fine-tuned", heads)
    for one in record["compressed"]:
        whole, settings, told = one["sizes"]["whole"], one["settings"], one["agreement"]
        overhead = f"{whole['index_bytes'] + whole['codebook_bytes']:,}"
        loss = f"{one['own_loss']['after']:.3f}"
        figures = (f"{whole['bytes']:,}", f"{whole['ratio']:.1f}", overhead, loss, f"{told['chrf']:.1f}")
        name = f"{100 * settings['keep']:g} % of the weights, {settings['mean_bits']:g} bit"
        table.add_row(name, *figures, f"{told['same']} of {one['sentences']}")
    return table


def _on_sparch(record: Record) -> Table:
    from analysis.plain_text import figure_table

    device = record["profile"]["device"]
    heads = ("cycles", "µs", "µJ", "DRAM kB", "dense array, µs", "this machine, µs")
    table = figure_table("linear layers of one sentence on SpArch", heads)
    for one in record["sparch"]:
        total = one["per_sentence"]
        dense = (f"{1e6 * total['dense'][name]['latency_s']:,.1f}" for name in (_ARRAY, f"{device}, no launch"))
        figures = (1e6 * total["seconds"], 1e6 * total["energy_j"], total["dram_bytes"] / 1e3)
        spent = (f"{total['cycles']:,.0f}", *(f"{one:,.1f}" for one in figures))
        table.add_row(f"{100 * one['keep']:g} % of the weights", *spent, *dense)
    return table


def _notes(record: Record) -> list[str]:
    one, first, first_one = record["search"], record["sparch"][0], record["compressed"][0]
    limit, reach = float(one["constraint"][0]["limit"]), one["reachable"][0]
    unseen = record["objective"].get("unseen", {})
    said = f", rank correlation {unseen['spearman']} on unseen networks" if unseen else ""
    parts = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in record["parts_wall_s"].items())
    tokens = " and ".join(map(str, first["sentences"]["priced_tokens"][0]))
    hindered = one["best"]["measured"]["hindered"] or record["shipped_model"]["hindered"]
    warning = ["note: other programs were in the way of the latency measurement"] if hindered else []
    return [
        *warning,
        f"searched: {record['evaluations']:,} networks under {_ms(limit)} ms, {one['budget']} ({_ms(reach['low'])} to "
        f"{_ms(reach['high'])} ms); score: {record['objective']['label']}{said}",
        "column model: the shipped model, measured in the same way; it was set by hand, so nothing was predicted",
        f"own loss, chrF: against the full model's own translations of {first_one['sentences']} sentences (loss of the "
        f"full model {first_one['own_loss']['before']:.3f}); no measure of quality",
        f"SpArch: {first['label']}, a sentence of {tokens} tokens; linear layers alone; dense on an array of as many "
        "multipliers (a bound), and on this machine without launches (predicted)",
        f"winner: {one['best']['measured']['folder']}; profile: {record['profile']['file']}; {parts}; all of it took "
        f"{record['wall_s']:.0f} s",
    ]


def _ms(seconds: float | None) -> str:
    return "–" if seconds is None else f"{1e3 * seconds:.3g}"
