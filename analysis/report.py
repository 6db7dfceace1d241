"""`write_report`: the records of a folder as one page, with figures, tables and what they say in words.

One file that needs no network. Numbers carry their kind: measured, simulated, published, calibrated, stand-in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from analysis import report_tables as tables
from analysis.figures.panel import Panel
from analysis.figures.panels import ablation_panels, bench_panels, sweep_panels
from analysis.figures.rows import averages
from analysis.fixed import fixed_line
from analysis.published import published
from analysis.report_page import KINDS, Html, facts, figure, page, section, tags, text
from analysis.report_records import Records, read_records
from sim.version import __version__

_SWEPT = ("knees", "frontier", "scaling")


def write_report(folder: str | Path, out: str | Path | None = None) -> Path:
    """Write the page of the records in `folder` to `out` (default: ``report.html`` there), atomically; its path.

    Raises InputError: no record in the folder, a damaged one, a file that cannot be written.
    """
    from sim.files import require_writable, write_text

    records = read_records(folder)
    target = require_writable(Path(folder) / "report.html" if out is None else out)
    write_text(target, report_html(records))
    return target


def report_html(records: Records) -> str:
    """The page as text. The same records give the same text."""
    body = [*_figures(records), *_tables(records)]
    links = "".join(f'<a href="#{name}">{text(title)}</a> ' for name, title, _ in body)
    head = (
        f"<header><h1>{text(_title(records))}</h1>\n{_lead(records)}\n"
        f'<p class="muted">Every number is one of: {_key()}</p></header>\n<nav aria-label="Contents">{links}</nav>'
    )
    foot = f'<footer class="muted">hwloop {text(__version__)}, from {text(", ".join(records.sources))}.</footer>'
    return page(_title(records), "\n".join([head, "<main>", *(part for _, _, part in body), "</main>", foot]))


def summary(bench: Mapping[str, Any]) -> list[str]:
    """The headline averages in three sentences: real matrices, all with their range, the paper."""
    paper, means = published(), dict(averages(bench))
    said = []
    for name, mean in means.items():
        which = name.removeprefix("average, ")
        spread = (bench["averages"].get("all_range") or {}) if which.startswith("all") else {}
        said.append(
            f"Over {'the ' if which.endswith('real') else ''}{which} matrices"
            f"{', stand-ins among them,' if which.startswith('all') else ''} the simulated SpArch reaches "
            f"{_value(mean, 'gflops', spread)} GFLOP/s on average, uses "
            f"{_value(mean, 'bandwidth_utilization', spread, share=True)} of its bandwidth, moves "
            f"{_value(mean, 'dram_saving', spread)} times fewer DRAM bytes than OuterSPACE, needs "
            f"{_value(mean, 'energy_ratio', spread)} times less energy (calibrated) and is "
            f"{_value(mean, 'speedup_outerspace', spread)} times as fast as OuterSPACE's published mean, "
            f"{_value(mean, 'speedup_outerspace_simulated', spread)} times OuterSPACE simulated (calibrated)."
        )
    total = paper["total"]
    said.append(
        f"The paper publishes {total['gflops'].value:g} GFLOP/s, {total['bandwidth_utilization'].value:.1%}, "
        f"{total['dram_saving'].value:g} times fewer bytes, {total['energy_ratio'].value:g} times less energy and "
        f"{paper['speedup']['outerspace'].value:g} times the speed."
    )
    return said


def _value(mean: Mapping[str, Any], key: str, spread: Mapping[str, Any], share: bool = False) -> str:
    def form(value: float) -> str:
        return f"{value:.0%}" if share else f"{value:.1f}"

    if mean[key] is None:
        return "–"
    low, high = map(form, spread.get(key) or (mean[key], mean[key]))
    return form(mean[key]) + (f" ({low} to {high})" if low != high else "")


def _title(records: Records) -> str:
    return "SpArch beside the paper and real libraries" if records.bench else "SpArch, simulated"


def _lead(records: Records) -> str:
    if records.bench:
        said = summary(records.bench)
    else:
        parts = ["an ablation"] if records.ablation else []
        parts += [f"a sweep of {len(one['machines'])} machines" for one in records.sweeps]
        said = [f"Simulated studies: {', '.join(parts)}. Run 'hwloop bench' into the same folder for the evaluation."]
    return "\n".join(f'<p class="lead">{text(sentence)}</p>' for sentence in said)


def _key() -> Html:
    return Html("; ".join(f"{tags([kind])} {text(meaning)}" for kind, meaning in KINDS.items()) + ".")


def _figures(records: Records) -> Iterator[tuple[str, str, Html]]:
    """Id, title and HTML: the table of the paper first, then all figures."""
    if records.bench:
        yield _part("paper", "The paper beside us", tables.paper_table(records.bench, records.ablation))
        for panel in bench_panels(records.bench):
            yield _panel(panel, panel.name)
    if records.ablation:
        for panel in ablation_panels(records.ablation):
            yield _panel(panel, panel.name)
    swept = [panel for sweep in records.sweeps for panel in sweep_panels(sweep)]
    for place, panel in enumerate(sorted(swept, key=lambda one: _SWEPT.index(one.name)), start=1):
        yield _panel(panel, f"{panel.name}{place}")


def _tables(records: Records) -> Iterator[tuple[str, str, Html]]:
    bench = records.bench
    if bench:
        yield _part("matrices", "Every matrix", tables.matrix_table(bench))
        if any(one["libraries"] for one in bench["matrices"]):
            both = tables.library_table(bench) + tables.library_details(bench)
            yield _part("times", "Libraries on this machine", both)
        if bench.get("recorded"):
            yield _part("recorded", "Libraries on other machines", tables.recorded_table(bench))
        date = facts({"made": bench.get("date_utc", "–")})
        fixed = Html(f"<p>{text(fixed_line(bench))}</p>")
        yield _part("machine", "Machine and code", fixed + tables.machine_facts(bench) + date)
    again = tables.commands(bench, records.ablation, records.sweeps)
    yield _part("again", "Make it again", again)


def _panel(panel: Panel, name: str) -> tuple[str, str, Html]:
    return name, panel.title, figure(panel, name)


def _part(name: str, title: str, body: str) -> tuple[str, str, Html]:
    return name, title, section(title, body, name)
