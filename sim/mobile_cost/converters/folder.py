"""A folder of measurements in the published layouts: every file that is known, as `Measurements`.

Files are looked for in the folder itself, ``e2e/`` and ``op_luts/``; a name may end in ``_heldout``. Operator tables
that describe networks (mobile-ml-benchmark) may come from another folder when this one has none.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sim.errors import InputError
from sim.mobile_cost.converters import block_tables, fbnet, hat, mobileml, nb201, ofa, tiny, ultra96
from sim.mobile_cost.tables import Measurements

Reader = Callable[[Path], list[Measurements]]

_OPERATORS = "mobileml_tflite_cnn_ops_gpu"
READERS: dict[str, Reader] = {
    **{stem: (lambda path: [block_tables.read(path)]) for stem in block_tables.DEVICES},
    "ultra96_dpu_mbv3_blocks": ultra96.read,
    "help_nb201": nb201.read_help,
    "hwnasbench360_nb201": nb201.read_360,
    "help_ofa_mbv3": ofa.read_help,
    "ofa_specialized": ofa.read_specialised,
    "help_fbnet": fbnet.read,
    "mlperf_tiny_v11_stm32": tiny.read,
}
"""Stem of a file (without ``_heldout``) -> its reader. Files ``hat_*`` and ``mobileml_*_e2e`` are known by prefix."""


def files(folder: Path) -> dict[str, Path]:
    """Stem without ``_heldout`` -> file, of all CSV and npz files. Raises InputError: no such folder."""
    if not folder.is_dir():
        raise InputError(f"no folder {str(folder)!r}")
    found: dict[str, Path] = {}
    for place in (folder, folder / "op_luts", folder / "e2e"):
        for path in sorted(place.glob("*")) if place.is_dir() else ():
            if path.suffix in (".csv", ".npz"):
                found[path.stem.removesuffix("_heldout")] = path
    return found


def load(folder: Path, also: Path | None = None, only: tuple[str, ...] = ()) -> list[Measurements]:
    """All sets of a folder. also: where operator tables are looked for besides. only: stems to read, by prefix.

    Raises InputError: no such folder, a file that is not what its name says, nothing known in it.
    """
    found = files(folder)
    measured: list[Measurements] = []
    for stem, path in found.items():
        if only and not stem.startswith(only):
            continue
        if stem in READERS:
            measured += READERS[stem](path)
        elif stem.startswith("hat_"):
            measured += hat.read(path)
        elif stem == "mobileml_tflite_cnn_e2e":
            tables = [one for one in (found.get(_OPERATORS), also and files(also).get(_OPERATORS)) if one]
            if tables:
                measured += mobileml.read(path, tables)
    if not measured:
        known = ", ".join(sorted(READERS))
        raise InputError(f"nothing to read in {str(folder)!r}; known tables: {known}, hat_*, mobileml_tflite_cnn_e2e")
    return measured
