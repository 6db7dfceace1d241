"""The page of a folder of records: what is on it, what it leaves out, and what it refuses."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "figures"))

from made_records import bench_record, study_record

from analysis.report import report_html, summary, write_report
from analysis.report_records import read_records
from sim.errors import InputError

VOID = {"meta", "link", "br"}
Put = Callable[..., Path]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Write records into a folder, by file name; the folder."""

    def write(**records: Any) -> Path:
        for name, record in records.items():
            text = record if isinstance(record, str) else json.dumps(record)
            (tmp_path / f"{name}.json").write_text(text, encoding="utf-8")
        return tmp_path

    return write


def everything() -> dict[str, Any]:
    studies = {what: study_record(what) for what in ("ablation", "sweep", "grid", "rmat")}
    return {"bench": bench_record(), **studies}


class Structure(HTMLParser):
    """Tags in order, with what is open at the end."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.wrong: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_the_page_of_all_records(put: Put) -> None:
    target = write_report(put(**everything(), other={"schema": "x/1"}, list=[1], broken="{"))
    page = target.read_text(encoding="utf-8")
    found = Structure(page)
    assert target.name == "report.html"
    assert (found.wrong, found.open) == ([], [])
    assert len(found.all("svg")) == 10
    assert all(svg["role"] == "img" and len(svg["aria-label"] or "") > 60 for svg in found.all("svg"))
    assert len(found.all("figcaption")) == len(found.all("figure")) == 10
    ids = [attributes["id"] for _, attributes in found.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert {str(link["href"]).removeprefix("#") for link in found.all("a")} <= set(ids)
    assert "bench.json, grid.json, rmat.json, sweep.json" in page


def test_the_page_asks_the_network_for_nothing(put: Put) -> None:
    page = write_report(put(**everything())).read_text(encoding="utf-8")
    found = Structure(page)
    assert set(re.findall(r'https?://[^"\s<]+', page)) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert found.all("script") == found.all("img") == found.all("iframe") == []
    assert [link["href"] for link in found.all("link")] == ["data:,"]
    assert "@import" not in page
    assert "default-src 'none'" in page
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in found.all("meta")


def test_the_same_records_give_the_same_page(put: Put) -> None:
    folder = put(bench=bench_record(), sweep=study_record("sweep"))
    assert report_html(read_records(folder)) == report_html(read_records(folder))


def test_names_are_text_and_stand_ins_are_marked(put: Put) -> None:
    record = bench_record()
    record["matrices"][0]["name"] = "<script>alert(1)</script>"
    record["matrices"][1] |= {"name": "made", "real": False}
    page = write_report(put(bench=record)).read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert '<th scope="row">made~</th>' in page
    assert '<th scope="row">made</th>' not in page
    assert '<span class="tag">stand-in</span>' in page


def test_the_summary_is_of_the_averages(put: Put) -> None:
    record = bench_record()
    record["averages"]["real"]["gflops"] = 12.34
    record["averages"]["all"] |= {"gflops": 9.87, "dram_saving": 2.5}
    record["averages"]["all_range"] = {"gflops": [8.11, 10.99], "dram_saving": [2.5, 2.5]}
    real, whole, paper = summary(record)
    assert "Over the 2 real matrices the simulated SpArch reaches 12.3 GFLOP/s" in real
    assert "9.9 (8.1 to 11.0) GFLOP/s" in whole
    assert "moves 2.5 times" in whole  # a range of one value is none
    assert "10.4 GFLOP/s" in paper
    assert summary(record)[0] in write_report(put(bench=record)).read_text().replace("&#x27;", "'")


def test_the_library_table_marks_the_fastest_and_says_why_not(put: Put) -> None:
    record = bench_record()
    one = record["matrices"][0]
    fastest = min(
        (row for row in one["libraries"].values() if row["status"] == "measured"), key=lambda row: row["best_s"]
    )
    fastest["best_s"], fastest["hindered"] = fastest["best_s"] / 2, True
    page = write_report(put(bench=record)).read_text(encoding="utf-8")
    assert page.count('<td class="best">★ ') == len(record["matrices"])
    assert f"★ {fastest['best_s'] * 1e3:,.3g}*</td>" in page
    assert '<td class="absent">not measured</td>' in page
    assert "no CUDA device" in page
    fastest["agrees"] = False
    page = write_report(put(bench=record)).read_text(encoding="utf-8")
    assert f"★ {fastest['best_s'] * 1e3:,.3g}" not in page
    assert "disagrees</td>" in page


def test_recorded_runs_of_other_machines_are_named(put: Put) -> None:
    page = write_report(put(bench=bench_record())).read_text(encoding="utf-8")
    assert "measured on another processor" in page


def test_the_commands_that_make_it_again(put: Put) -> None:
    page = write_report(put(**everything())).read_text(encoding="utf-8")
    code = page[page.index("<pre>") : page.index("</pre>")]
    assert "hwloop bench" in code
    assert "--baselines scipy,numba-hash,torch,cusparse --out DIR" in code
    assert "hwloop ablate" in code
    assert "--set merge_tree.ways=4,16,64" in code
    assert "--set prefetch.lines:prefetch.line_elements=512:96,1024:48,512:48 --each" in code
    assert "hwloop sweep --rmat-study" in code
    assert "hwloop report DIR" in code


def test_a_sweep_alone_makes_a_page(put: Put) -> None:
    page = write_report(put(sweep=study_record("sweep"))).read_text(encoding="utf-8")
    assert len(Structure(page).all("svg")) == 2
    assert "The paper beside us" not in page
    assert "hwloop bench" in page


def test_a_bench_of_real_matrices_without_libraries(put: Put) -> None:
    record = bench_record()
    record["matrices"] = [{**one, "libraries": {}} for one in record["matrices"] if one["real"]]
    record |= {"recorded": [], "machine": None}
    record["averages"]["all_range"] = {}
    page = write_report(put(bench=record)).read_text(encoding="utf-8")
    names = [svg["aria-label"] or "" for svg in Structure(page).all("svg")]
    assert len(names) == 4
    assert "Libraries on this machine" not in page
    assert len(summary(record)) == 2


def test_a_record_of_empty_products(put: Put) -> None:
    record = study_record("sweep")
    for machine in record["machines"]:
        machine |= {"gflops": None, "energy_nj_per_flop": None}
    assert Structure(write_report(put(sweep=record)).read_text()).all("svg") == []


def test_the_page_goes_where_it_is_told(put: Put, tmp_path: Path) -> None:
    out = tmp_path / "elsewhere.html"
    assert write_report(put(sweep=study_record("grid")), out) == out
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert not (tmp_path / "report.html").exists()


def damaged(**changes: Any) -> dict[str, Any]:
    return {**study_record("grid"), **changes}


def without_states() -> dict[str, Any]:
    record = bench_record()
    record["matrices"][1]["sparch"]["units"]["multipliers"]["busy"] += 1
    return record


def without_time() -> dict[str, Any]:
    record = bench_record()
    del record["matrices"][0]["libraries"]["scipy"]["best_s"]
    return record


def uneven_steps() -> dict[str, Any]:
    record = study_record("ablation")
    record["matrices"][0]["steps"].pop()
    return record


@pytest.mark.parametrize(
    ("records", "words"),
    [
        (lambda: {}, "expected bench.json"),
        (lambda: {"other": {"schema": "hwloop.simulation/1"}}, "expected bench.json"),
        (lambda: {"a": bench_record(), "b": bench_record()}, "a second 'hwloop.bench/1'"),
        (lambda: {"sweep": damaged(machines=[])}, "machines"),
        (lambda: {"sweep": damaged(points=[{"matrix": 3}])}, "points.0.matrix"),
        (lambda: {"sweep": damaged(one_at_a_time=True, axes=[])}, "steps of its axes"),
        (lambda: {"bench": without_states()}, "sum of the states of multipliers"),
        (lambda: {"bench": without_time()}, "measured, but without best_s"),
        (lambda: {"bench": {"schema": "hwloop.bench/1"}}, "matrices"),
        (lambda: {"ablation": uneven_steps()}, "different steps"),
    ],
)
def test_what_cannot_be_read_is_one_line_and_leaves_no_page(
    records: Callable[[], dict[str, Any]], words: str, put: Put
) -> None:
    folder = put(**records())
    with pytest.raises(InputError, match=re.escape(words)) as caught:
        write_report(folder)
    assert "\n" not in str(caught.value)
    assert not (folder / "report.html").exists()


def test_there_is_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        write_report(tmp_path / "nowhere")
