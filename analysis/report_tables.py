"""The tables of the report: the paper beside us, the matrices, the libraries; and how to make the records again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from analysis.bench_table import AVERAGED, fastest_library
from analysis.figures.rows import Row, averages, library_label, rows, shown_name
from analysis.paper import library_names, paper_rows, usable
from analysis.plain_text import number
from analysis.report_page import Html, cell, facts, table, tags

_PAPER = (
    "Ratio: ours over published. Ours is predicted: simulated, nothing in it fitted to a published total; chosen: "
    "simulated, on a default that was chosen after part of the results had been seen; calibrated: "
    "simulated, fitted to one; implied: simulated, over a baseline as the paper's ratios imply it; measured: simulated "
    "over a library that was really run."
)
_TIMES = (
    "Best wall time of a product in ms, measured on this machine; ★ fastest library; * it did not get its cores, "
    "its true time is lower"
)


def paper_table(bench: Mapping[str, Any], ablation: Mapping[str, Any] | None) -> Html:
    """Published figures, ours, the ratio, and what kind of figure ours is; where each comes from in notes below."""
    found = paper_rows(bench, ablation)
    notes = list(dict.fromkeys(note for row in found for note in _notes(row)))
    lines = [
        (
            row["name"],
            (
                _short(row["published"]),
                _short(row["ours"]),
                number(row["ratio"]),
                cell(tags([row["kind"]]), "text"),
                cell(" ".join(f"{notes.index(note) + 1}" for note in _notes(row)), "text"),
            ),
        )
        for row in found
    ]
    headings = ("figure", "published", "ours", "ratio", "ours is", "notes")
    said = "".join(f"<li>{_escape(note)}</li>" for note in notes)
    below = Html(f"<details><summary>Notes: sources and conditions</summary><ol>{said}</ol></details>")
    return Html(table(headings, lines, _PAPER) + below)


def matrix_table(bench: Mapping[str, Any]) -> Html:
    """Every matrix with what the averages are made of, then the averages."""
    headings = (
        "matrix",
        "non-zeros",
        "multiplications",
        "GFLOP/s",
        "bandwidth use",
        "hit rate",
        "MB moved",
        "OuterSPACE MB",
        "DRAM saving",
        "times as fast",
        "energy saving",
    )
    lines: list[tuple[object, Sequence[object]]] = [(row.name, _figures(row)) for row in rows(bench)]
    means: list[tuple[object, Sequence[object]]] = [
        (name, ("", "", *_averaged([mean[key] for key in AVERAGED]))) for name, mean in averages(bench)
    ]
    spread = bench["averages"].get("all_range") or {}
    if len(means) > 1 and spread:
        low, high = ([(spread.get(key) or (None, None))[end] for key in AVERAGED] for end in (0, 1))
        means.append(("  lowest, by stand-in locality", ("", "", *_averaged(low))))
        means.append(("  highest, by stand-in locality", ("", "", *_averaged(high))))
    caption = (
        "Simulated, SpArch unless named; the last two columns are over OuterSPACE simulated, calibrated. A name that "
        "ends in ~ is a stand-in."
    )
    return table(headings, [*lines, *means], caption, averages=len(means))


def library_table(bench: Mapping[str, Any]) -> Html:
    """Best wall time of each library row and matrix; the fastest that agrees with SciPy is marked."""
    names = library_names(bench["matrices"])
    labels = {name: row for one in bench["matrices"] for name, row in one["libraries"].items()}
    lines = []
    for one in bench["matrices"]:
        best = fastest_library(one)
        cells = [_time(one["libraries"].get(name), name == best) for name in names]
        lines.append((shown_name(one), (_milliseconds(one["sparch"]["seconds"]), *cells)))
    headings = ("matrix", Html(f"SpArch {tags(['simulated'])}"), *(_heading(labels[name]) for name in names))
    return table(
        headings,
        lines,
        _TIMES,
    )


def library_details(bench: Mapping[str, Any]) -> Html:
    """What each library row was: version, threads, order of the output, energy; or why it was not measured."""
    lines = []
    for name in library_names(bench["matrices"]):
        found = [one["libraries"][name] for one in bench["matrices"] if name in one["libraries"]]
        row = next((one for one in found if one["status"] == "measured"), found[0])
        ran = [one for one in found if one["status"] == "measured"]
        good = sum(usable(one) for one in ran)
        reasons = sorted({str(one["reason"]) for one in found if one.get("reason")})
        lines.append(
            (
                row["label"],
                (
                    cell(row.get("version") or "–", "text"),
                    row.get("threads", "–"),
                    cell("yes" if row.get("sorted_output") else "no", "text"),
                    f"{good} of {len(ran)}" if ran else "not measured",
                    cell((row.get("energy") or {}).get("kind") or "–", "text"),
                    cell("; ".join(reasons) or "–", "words"),
                ),
            )
        )
    headings = ("library", "version", "threads", "sorted output", "agrees with SciPy", "energy is", "why not")
    return table(headings, lines, "The libraries, as they were run")


def recorded_table(bench: Mapping[str, Any]) -> Html:
    """Best times of the records of other machines, measured there."""
    parts = []
    for other in bench.get("recorded") or ():
        cells: dict[str, dict[str, Mapping[str, Any]]] = {}
        for row in other["rows"]:
            cells.setdefault(row["matrix"], {})[library_label(row)] = row
        names = list(dict.fromkeys(name for line in cells.values() for name in line))
        lines = [(matrix, [_time(line.get(name), False) for name in names]) for matrix, line in cells.items()]
        where = other["machine"].get("cuda_device") or other["machine"].get("cpu") or "another machine"
        parts.append(facts(_plain(other["machine"])))
        parts.append(table(("matrix", *names), lines, f"Best wall time of a product in ms, measured on {where}"))
    return Html("\n".join(parts))


def commands(bench: Any, ablation: Any, sweeps: Sequence[Mapping[str, Any]]) -> Html:
    """The commands that make the records again."""
    lines = []
    if bench:
        wanted = list(
            dict.fromkeys(
                str(row.get("baseline") or row["library"])
                for one in bench["matrices"]
                for row in one["libraries"].values()
            )
        )
        what = ["--suite", bench["suite"]] if bench.get("suite") else [one["name"] for one in bench["matrices"]]
        lines.append(["bench", *what, *(["--baselines", ",".join(wanted)] if wanted else []), *_seed(bench)])
    if ablation:
        names = [row["name"] for row in ablation["matrices"]]
        same = bench and bench.get("suite") and {one["name"] for one in bench["matrices"]} == set(names)
        lines.append(["ablate", *(["--suite", bench["suite"]] if same else names), *_seed(ablation)])
    for sweep in sweeps:
        lines.append(["sweep", *_swept(sweep), *_seed(sweep)])
    outs = {"ablate": ["--json", "DIR/ablation.json"]}
    shown = [shlex.join(["hwloop", *line, *outs.get(line[0], ["--out", "DIR"])]) for line in lines]
    return Html(f"<pre><code>{chr(10).join(map(_escape, [*shown, 'hwloop report DIR']))}</code></pre>")


def machine_facts(bench: Mapping[str, Any]) -> Html:
    """The machine that the libraries were measured on, and the fingerprints of the code that computed the rest."""
    machine = _plain(bench.get("machine") or {"machine": "not described"})
    code = {f"code, {name}": value for name, value in (bench.get("code") or {}).items()}
    return facts({**machine, **code, "hwloop": bench.get("version", "–"), "seed": bench.get("seed", "–")})


def _figures(row: Row) -> list[object]:
    one, other = row.sparch, row.outerspace
    prefetch = one["prefetch"] or {}
    return [
        f"{one['matrix']['nnz']:,}",
        f"{one['multiplications']:,}",
        *_averaged([one["gflops"], one["bandwidth_utilization"], prefetch.get("hit_rate")])[:3],
        number(one["dram_bytes"]["total"] / 1e6, 1),
        number(other["dram_bytes"]["total"] / 1e6, 1),
        number(row.dram_saving),
        number(row.speedup),
        number(row.energy_ratio),
    ]


def _averaged(values: Sequence[float | None]) -> list[object]:
    """Cells of the columns from GFLOP/s on; averages have no bytes."""
    shares = ["–" if value is None else f"{value:.1%}" for value in values[1:3]]
    rest = [number(value) for value in values[3:]]
    return [number(values[0]), *shares, *(["", "", *rest] if rest else [])]


def _time(row: Mapping[str, Any] | None, best: bool) -> Html:
    if row is None:
        return cell("–", "absent")
    if row["status"] != "measured":
        return cell("not measured", "absent")
    if not row.get("agrees"):
        return cell(f"{_milliseconds(row['best_s'])} disagrees", "absent")
    time = _milliseconds(row["best_s"]) + ("*" if row.get("hindered") else "")
    return cell(f"★ {time}", "best") if best else cell(time)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:,.3g}" if seconds < 1 else f"{seconds * 1e3:,.0f}"


def _heading(row: Mapping[str, Any]) -> Html:
    return Html(f"{_escape(library_label(row))} {tags(['measured'])}")


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _notes(row: Mapping[str, Any]) -> list[str]:
    source = f"Published figure: {row['published_source']}." if row["published_source"] else ""
    return [note for note in (row["note"], source) if note]


def _plain(machine: Mapping[str, Any]) -> dict[str, Any]:
    """A machine for people: no underscores, memory in GB, what is not known left out."""
    found = {}
    for name, value in machine.items():
        if name == "memory_bytes" and isinstance(value, int | float):
            found["memory"] = f"{value / 1e9:.1f} GB"
        elif value is not None:
            found[name.replace("_", " ")] = f"{value:.2f}" if isinstance(value, float) else value
    return found


def _swept(sweep: Mapping[str, Any]) -> list[str]:
    from analysis.figures.scaling import is_scaling_study

    if is_scaling_study(sweep):
        return ["--rmat-study"]
    words = list(sweep["matrices"])
    for axis in sweep.get("axes") or ():
        values = ",".join(":".join(map(str, value)) for value in axis["values"])
        words += ["--set", f"{':'.join(axis['names'])}={values}"]
    return [*words, "--each"] if sweep.get("one_at_a_time") else words


def _seed(record: Mapping[str, Any]) -> list[str]:
    return ["--seed", str(record["seed"])] if record.get("seed") else []


def _escape(words: str) -> str:
    import html

    return html.escape(words, quote=False)
