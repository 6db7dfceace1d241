"""Tables of compressed generators as Markdown: the study, what was wanted of it, latency against MACs, what ships.

`fill_document` puts them into a document (see `analysis.markdown`). `render_demo` is the table of `hwloop demo gan`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis import markdown
from analysis.markdown import Record, markdown_table

MEASURES = (
    ("kid", "KID × 1000", 1e3, 3),
    ("frechet", "Fréchet distance", 1.0, 3),
    ("psnr_db", "PSNR, dB", 1.0, 2),
    ("ssim", "SSIM", 1.0, 3),
    ("l1", "L1", 1.0, 4),
)
"""Name in a record, heading, scale and digits."""
KINDS = {
    "teacher": "teacher",
    "half": "teacher of half the width",
    "compressed": "compressed",
    "no-distillation": "same channels, no distillation",
    "uniform": "one width everywhere",
    "random": "random channels, median",
}
RULES = {"latency": "best under the latency", "same_macs": "best under its MACs", "safe_macs": "best under safe MACs"}
_WIDE = 132


def study_table(record: Record) -> str:
    """``study.json``: the compressed generators, the teacher, and what they are compared with, on the test images."""
    found = record["summary"]
    shown = [one for one in MEASURES if one[0] in found["teacher"]]
    rows = []
    for kind in (name for name in KINDS if name in found):
        mine = [row for row in record["rows"] if row["kind"] == kind]
        most = max(mine, key=lambda row: row["macs"])
        sizes = (f"{most['macs'] / 1e6:.1f}", f"{found[kind]['macs_ratio']:.1f}", f"{most['params'] / 1e3:,.0f}")
        values = [_middle(found[kind], mine, *one) for one in shown]
        more = record.get("supernet", {}).get("images", 0) if kind == "compressed" else 0
        images = f"{most['images']:,}" + (f" + {more:,}" if more else "")
        rows.append((f"{KINDS[kind]} ({len(mine)})", *sizes, images, *values))
    heads = ("network (how many)", "M MACs", "times fewer", "k params", "images trained on", *(one[1] for one in shown))
    note = (
        f"Measured: {record['protocol']}, {record['data']['name']} ({record['data']['origin']}), seed "
        f"{record['seed']}. Set distances on 64 features of the extractor {record['extractor']['name']!r}"
        f"{_extractor_accuracy(record['extractor'])}. In brackets: the 95 % bootstrap interval where there is one "
        f"network, else least and most over seeds or configurations. The compressed generator is fine-tuned from a "
        f"supernet, whose own images are the second number. Trainings: {_cpu_minutes(record)} minutes of processor "
        f"time, one thread each; {_searched(record)}."
    )
    return f"{markdown_table(heads, rows)}\n\n{note}"


def _cpu_minutes(record: Record) -> str:
    supernet = record.get("supernet", {}).get("cpu_s", 0.0)
    return f"{(sum(row['cpu_s'] for row in record['rows']) + supernet) / 60:.0f}"


def wanted_table(record: Record) -> str:
    """``study.json``: what was asked of the compressed generator beside what was measured."""
    found, mine = record["summary"], record["summary"]["compressed"]
    rows = [
        _judged(
            "times fewer true MACs than the teacher", mine["macs_ratio"], 1, least=record["config"]["study"]["ratio"]
        ),
        _judged("KID over the teacher's", mine["kid"]["ratio"], 3, most=1.1),
    ]
    if "psnr_db" in mine:
        rows.append(_judged("PSNR below the teacher's, dB", -mine["psnr_db"]["difference"], 2, most=0.5))
    for kind, words in (("no-distillation", "without distillation"), ("uniform", "one width"), ("random", "random")):
        if kind in found:
            rows.append(_judged(f"KID over that of: {words}", _ratio(mine["kid"], found[kind]["kid"]), 3, most=1.0))
    if "half" in found:
        rows.append(
            _judged("KID of the half-width teacher over the teacher's", found["half"]["kid"]["ratio"], 3, least=1.0)
        )
    rows.append(_judged("test images", record["data"]["test"], 0, least=400))
    note = (
        "Means over seeds, medians over random configurations. A KID of nothing or less is no ground for a ratio and "
        "shows as a dash."
    )
    return f"{markdown_table(('', 'wanted', 'measured', 'holds'), rows)}\n\n{note}"


def comparison_table(record: Record) -> str:
    """The record of ``hwloop search gan --compare``: for each device and latency budget, three ways of bounding."""
    measures = [one for one in MEASURES[:4] if one[0] in record["teacher"]["measures"]]
    rows = []
    for row in record["rows"]:
        for rule, words in RULES.items():
            one = row[rule]
            place = f"{row['device']}, {_short(row['budget'])}, {_ms(row['limit_s'])} ms"
            if one["channels"] is None:
                rows.append((place, f"{words}: none", *["–"] * (5 + len(measures))))
                continue
            score = next(iter(one["score"].values()))
            figures = (f"{one['macs'] / 1e6:.2f}", _ms(one["latency_s"]), f"{100 * one['of_budget']:.0f}")
            seen = (_ms(one["measured_latency_s"]), f"{_scale(record) * score:.3f}")
            rows.append((place, words, *figures, *seen, *(_value(one["measures"], *which) for which in measures)))
    teacher = record["teacher"]
    last = ("", "teacher", f"{teacher['macs'] / 1e6:.2f}", "–", "–", "–", "–")
    rows.append((*last, *(_value(teacher["measures"], *which) for which in measures)))
    what = record["objective"]["what"].upper().removesuffix("_DB") + (" × 1000" if _scale(record) > 1 else "")
    heads = ("device, budget", "network", "M MACs", "ms, predicted", "% of the budget", "ms, measured here")
    note = (
        f"Searched: {record['method']}, seed {record['seed']}, {record['scored']:,} generators scored on "
        f"{record['data']['search']:,} search images; all three rules choose from them. Measured on "
        f"{record['data']['test']:,} test images, with the weights of the supernet, 95 % bootstrap intervals in "
        f"brackets. Safe MACs: the largest MAC budget with which every generator of the space keeps the latency. "
        f"{verdict(record)}"
    )
    return f"{markdown_table((*heads, f'{what}, search', *(one[1] for one in measures)), rows)}\n\n{note}"


def verdict(record: Record) -> str:
    """How often a bound on MACs breaks the latency, and what a safe one costs."""
    rows = record["rows"]
    broken = [row["same_macs"]["of_budget"] for row in rows if row["same_macs"]["of_budget"] > 1]
    worst = f", by up to {100 * (max(broken) - 1):.0f} %" if broken else ""
    none = sum(row["safe_macs"]["channels"] is None for row in rows)
    absent = f"; in {none} of {len(rows)} no MAC budget is safe" if none else ""
    return (
        f"With the MACs of the latency winner the best generator breaks the latency in {len(broken)} of {len(rows)} "
        f"cases{worst}{absent}."
    )


def misleading_table(record: Record) -> str:
    """The same record: on each device, how far MACs and latency go together, and where they do not."""
    heads = ("device", "rank correlation of MACs and latency", "pairs ordered wrongly, %", "latency at equal MACs, ms")
    rows, lines = [], []
    for one in record["devices"]:
        equal = one["equal_macs"]
        span = f"{_ms(equal['least_latency_s'])} to {_ms(equal['most_latency_s'])} ({equal['networks']:,} networks)"
        measured = one["measured"]
        here = (
            f"MACs {measured['spearman_macs']:.3f}, predicted latency {measured['spearman_predicted']:.3f} "
            f"({len(measured['networks'])} networks)"
            if measured
            else "–"
        )
        rows.append((one["device"], f"{one['spearman']:.3f}", f"{100 * one['pairs_misordered']:.1f}", span, here))
        lines.append(f"- {one['device']}: {_pair(one)}")
    note = (
        "Predicted by the device models, over the whole space where it was enumerated; correlations over a uniform "
        "sample. Equal MACs: within 1 % of the median. The pairs are the most extreme ones, not typical ones:"
    )
    table = markdown_table((*heads, "rank correlation with measured latency"), rows)
    return "\n".join([table, "", note, "", *lines])


def made_by_lines(record: Record) -> str:
    """``made_by.json`` of a folder that ships: the commands and what they made."""
    commands = "\n".join(f"    {one}" for one in record["command"].split("; "))
    return (
        f"{commands}\n\n(seed {record['seed']}; {record['data']['name']}, {record['data']['origin']}, data sha256 "
        f"`{record['data']['sha256'][:16]}…`; trainings took {record['training_cpu_s'] / 60:.0f} minutes of processor "
        f"time). The files have {record['bytes'] / 1e6:.2f} MB together without the picture of the teacher's images."
    )


TABLES = {
    "made-by": made_by_lines,
    "study": study_table,
    "wanted": wanted_table,
    "study-style": study_table,
    "wanted-style": wanted_table,
    "study-labels": study_table,
    "wanted-labels": wanted_table,
    "comparison": comparison_table,
    "misleading": misleading_table,
}
"""Name of a table in a document: what makes it of a record."""


def fill_document(path: str | Path, records: Mapping[str, str | Path]) -> None:
    """Put the tables of `records` (name in `TABLES`: JSON file) into the document at `path`. Raises InputError."""
    markdown.fill_document(path, records, TABLES)


def render_demo(record: Record) -> str:
    """The record of `hwloop demo gan` as text: the winner, predicted beside measured, and the teacher."""
    from analysis.plain_text import figure_table, plain

    one, teacher = record["search"], record["teacher"]
    best, measured = one["best"], one["best"]["measured"]
    cost = best["predicted"]["costs"][0]
    table = figure_table("the winner on this machine", ("by the search", "90 % interval", "measured", "teacher"))
    span = f"{_ms(cost['latency_low_s'])} to {_ms(cost['latency_high_s'])}"
    table.add_row("latency, ms", _ms(cost["latency_s"]), span, _ms(measured["latency_s"]), "–")
    for name, words, scale, digits in MEASURES:
        if name in measured["measures"]:
            scored = best["predicted"].get(name)
            mine = "–" if scored is None else f"{scale * scored:.{digits}f}"
            theirs = _plain_value(teacher["measures"], name, scale, digits)
            table.add_row(words, mine, "", _plain_value(measured["measures"], name, scale, digits), theirs)
    limit, reach = float(one["constraint"][0]["limit"]), one["reachable"][0]
    lines = [
        f"searched: {record['evaluations']:,} sub-networks scored on {record['search_images']:,} search images, under "
        f"{_ms(limit)} ms, {one['budget']} ({_ms(reach['low'])} to {_ms(reach['high'])} ms), in {one['wall_s']:.1f} s",
        f"winner: {cost['macs'] / 1e6:.2f} M MACs, {teacher['macs'] / cost['macs']:.1f} times fewer than the teacher, "
        f"{cost['params'] / 1e3:,.0f} k parameters, channels {'_'.join(map(str, best['arch']['channels']))}",
        f"measured on {measured['data']['test_images']:,} test images ({measured['data']['name']}), with the weights "
        f"of the supernet"
        + ("; the teacher's figures were recorded when it was trained" if teacher["recorded"] else ""),
        f"page: {record['page']}",
        f"profile: {record['profile']['file']}; all of it took {record['wall_s']:.0f} s",
    ]
    if measured["latency"] is not None and measured["latency"]["hindered"]:
        lines.append("note: other programs were in the way of the latency measurement")
    return plain(table, "", *lines, width=_WIDE)


def _middle(found: Record, rows: list[Any], name: str, _: str, scale: float, digits: int) -> str:
    if len(rows) == 1:
        return _value(rows[0]["measures"], name, _, scale, digits)
    low, high = (f"{scale * found[name][end]:.{digits}f}" for end in ("least", "most"))
    return f"{scale * found[name]['middle']:.{digits}f} ({low} to {high})"


def _value(measures: Record, name: str, _: str, scale: float, digits: int) -> str:
    if name not in measures:
        return "–"
    text = _plain_value(measures, name, scale, digits)
    if "low" not in measures[name]:
        return text
    return f"{text} ({scale * measures[name]['low']:.{digits}f} to {scale * measures[name]['high']:.{digits}f})"


def _plain_value(measures: Record, name: str, scale: float, digits: int) -> str:
    return f"{scale * measures[name]['value']:.{digits}f}" if name in measures else "–"


def _judged(
    words: str, value: float | None, digits: int, *, least: float | None = None, most: float | None = None
) -> tuple[str, ...]:
    wanted = f"at least {least:g}" if least is not None else f"at most {most:g}"
    if value is None:
        return words, wanted, "–", "–"
    holds = value >= least if least is not None else most is not None and value <= most
    return words, wanted, f"{value:.{digits}f}", "yes" if holds else "no"


def _ratio(one: Record, other: Record) -> float | None:
    return one["middle"] / other["middle"] if other["middle"] > 0 else None


def _extractor_accuracy(found: Record) -> str:
    return f" ({100 * found['test_accuracy']:.1f} % of the test images right)" if "test_accuracy" in found else ""


def _searched(record: Record) -> str:
    return (
        f"{record['search']['evaluations']:,} sub-networks scored by the search on {record['data']['search']:,} images"
    )


def _pair(one: Record) -> str:
    pair = one["misleading"]
    if pair is None:
        return (
            f"none of {one['priced']:,} networks has at least 5 % fewer MACs than another and is slower ({one['how']})."
        )
    words = []
    for name in ("slower", "faster"):
        found = pair[name]
        here = f", measured here {_ms(found['measured_latency_s'])} ms" if found.get("measured_latency_s") else ""
        channels = "_".join(map(str, found["channels"]))
        words.append(f"{channels} has {found['macs'] / 1e6:.2f} M MACs and {_ms(found['latency_s'])} ms{here}")
    apart = "apart" if pair["intervals_apart"] else "not apart"
    return (
        f"{words[0]}; {words[1]}: {pair['factor']:.2f} times slower with fewer MACs, 90 % intervals {apart} "
        f"({one['priced']:,} networks, {one['how']})."
    )


def _scale(record: Record) -> float:
    return next((scale for name, _, scale, _ in MEASURES if name == record["objective"]["what"]), 1.0)


def _short(budget: str) -> str:
    return budget.replace(" of the latency range", "")


def _ms(seconds: float | None) -> str:
    return "–" if seconds is None else f"{1e3 * seconds:.3g}"
