"""`hwloop matrices`: the catalogue of benchmark matrices, statistics of any matrix, and downloads.

Thin: the figures come from `benchmarks.suitesparse`. For a name of the catalogue `info` prints the published figures
and compares a local copy with them; for a file or a generator it counts. The structural entries of the product are
counted only on request, since that takes the product's memory.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from sim.errors import InputError

_JSON_HELP = "Write the result as JSON to this file, or to standard output with '-'."


@click.group()
def matrices() -> None:
    """The benchmark matrices: list them, describe one, fetch one."""


@matrices.command("list")
@click.option("--json", "json_path", metavar="PATH", help=_JSON_HELP)
def list_command(json_path: str | None) -> None:
    """All matrices of the catalogue with their exact statistics and where a copy is."""
    from benchmarks.suitesparse import catalogue, locate
    from benchmarks.suitesparse.standins import find_standin

    rows = []
    for one in catalogue.catalogue():
        made = find_standin(one.name)
        where = {"copy": locate.describe_copy(one.name), "standin": made.name if made else None}
        rows.append(describe_entry(one) | where)
    _deliver({"schema": "hwloop.matrices/1", "matrices": rows}, json_path, lambda: _print_list(rows))


@matrices.command("info")
@click.argument("matrix", metavar="A")
@click.option("--product", is_flag=True, help="Count the structural entries of the product too.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of a generator that names none.")
@click.option("--json", "json_path", metavar="PATH", help=_JSON_HELP)
def info_command(matrix: str, product: bool, seed: int | None, json_path: str | None) -> None:
    """Statistics of one matrix: a catalogue name, a file (.mtx, .mtx.gz, .npz) or a generator."""
    record = describe(matrix, product=product, seed=seed)
    _deliver({"schema": "hwloop.matrix/1", **record}, json_path, lambda: _print_record(record))


@matrices.command("get")
@click.argument("name")
@click.option("--json", "json_path", metavar="PATH", help=_JSON_HELP)
def get_command(name: str, json_path: str | None) -> None:
    """Fetch a catalogue matrix from the SuiteSparse collection into the download cache."""
    from benchmarks.suitesparse import locate
    from benchmarks.suitesparse.fetch import fetch_matrix

    known = locate.find_in_data_folders(name) if _in_catalogue(name) else None
    path = known or fetch_matrix(name)
    record = {"name": name, "path": str(path), "fetched": known is None}
    _deliver({"schema": "hwloop.matrix_copy/1", **record}, json_path, lambda: click.echo(str(path)))


def describe_entry(entry: Any) -> dict[str, Any]:
    """The published figures of a catalogue entry as plain values."""
    import dataclasses

    return {**dataclasses.asdict(entry), "page": entry.page, "downloadable": entry.downloadable}


def describe(spec: str, *, product: bool = False, seed: int | None = None) -> dict[str, Any]:
    """Statistics of the matrix `spec`; for a catalogue name the published ones, and how a local copy compares.

    A catalogue matrix is not fetched for this: without a copy only published figures are given. `output_nnz` of a file
    or generator is None unless `product`. Raises `InputError` or `ConfigError`.
    """
    from benchmarks.suitesparse import catalogue, load_matrix, locate

    published = catalogue.find(spec)
    if published is None:
        return statistics(load_matrix(spec, seed=seed), product=product)
    record = describe_entry(published) | {"copy": locate.describe_copy(spec)}
    if record["copy"] is None:
        return record
    return record | compare_with_copy(published, record["copy"], product=product)


def compare_with_copy(published: Any, copy: str, *, product: bool = False) -> dict[str, Any]:
    """How the file `copy` of a catalogue matrix compares: `agrees`, and `difference` in words if it does not."""
    from benchmarks.suitesparse.matrix import Matrix, structural_output_nnz
    from benchmarks.suitesparse.readers import read_matrix

    matrix = Matrix(published.name, read_matrix(copy), copy)
    difference = published.mismatch(matrix)
    if difference is None and product:
        counted = structural_output_nnz(matrix.csr, matrix.csr)
        if not published.accepts_output_nnz(counted):
            difference = f"A·A has {counted:,} entries, not {published.output_nnz:,}"
    return {"agrees": difference is None, "difference": difference, "sha256": matrix.sha256}


def statistics(matrix: Any, *, product: bool = False) -> dict[str, Any]:
    """Counts of any matrix, for A·A if it is square and else for A·Aᵀ, at 64 ways."""
    import numpy as np

    from benchmarks.suitesparse import matrix as counts

    a = matrix.csr
    square = matrix.rows == matrix.cols
    b = a if square else a.T.tocsr()
    longest = counts.max_row_nnz(a)
    first, rounds = counts.merge_schedule(longest)
    return {
        "name": matrix.name,
        "source": matrix.source,
        "rows": matrix.rows,
        "cols": matrix.cols,
        "nnz": matrix.nnz,
        "explicit_zeros": int(np.count_nonzero(a.data == 0)),
        "empty_rows": int(np.count_nonzero(np.diff(a.indptr) == 0)),
        "max_row_nnz": longest,
        "product": "A·A" if square else "A·Aᵀ",
        "multiplications": counts.multiplications(a, b),
        "output_nnz": counts.structural_output_nnz(a, b) if product else None,
        "first_round_ways": first,
        "merge_rounds": rounds,
        "pattern_sha256": matrix.pattern_sha256,
        "sha256": matrix.sha256,
    }


def _in_catalogue(name: str) -> bool:
    from benchmarks.suitesparse import catalogue

    return catalogue.entry(name) is not None


def _deliver(result: dict[str, Any], json_path: str | None, show: Any) -> None:
    """JSON to where it was asked for; the readable form unless JSON has standard output."""
    if json_path != "-":
        show()
    if json_path is None:
        return
    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    if json_path == "-":
        click.echo(text, nl=False)
        return
    path = Path(json_path)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_text(text, encoding="utf-8")
        os.replace(fresh, path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise InputError(f"cannot write {json_path!r}: {error.strerror or error}") from error


def _print_list(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Benchmark matrices (figures of A·A, 64-way merge)")
    table.add_column("matrix", no_wrap=True)
    table.add_column("group")
    for heading in ("rows", "nnz", "multiplications", "nnz(C)", "max row", "rounds"):
        table.add_column(heading, justify="right")
    table.add_column("copy", overflow="fold")
    for row in rows:
        counts = (row[key] for key in ("rows", "nnz", "multiplications", "output_nnz", "max_row_nnz", "merge_rounds"))
        mark = {"unverified": "?", "single": "*"}.get(row["grade"], "")
        copy = row["copy"] or ("can be fetched" if row["downloadable"] else "not in the collection")
        if not row["copy"] and row["standin"]:
            copy += f"; stand-in {row['standin']}"
        cells = [f"{count:,}" for count in counts]
        cells[2], cells[3] = cells[2] + mark, cells[3] + mark
        table.add_row(row["name"], row["group"] or "-", *cells, copy)
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table)
    console.print("? recalled, no published source   * a single published source", highlight=False)


def _print_record(record: dict[str, Any]) -> None:
    for key, value in record.items():
        if value is None or value == "":
            continue
        shown = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
        click.echo(f"{key.replace('_', ' '):<20} {shown}")
