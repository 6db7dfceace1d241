"""Matrices made on the spot: a power-law graph, a mesh, a band, and uniform noise.

A recipe reads ``KIND:key=value,...``. The same recipe and seed give the same bytes. Kinds and keys:

    rmat:n=,edges=[,seed=]            R-MAT graph of n vertices and n·edges samples, Graph500 probabilities
    poisson3d:n=                      7-point Laplacian on an n x n x n grid: 6 on the diagonal, -1 beside it
    banded:n=,width=[,seed=]          `width` diagonals centred on the main one (an even width: one more below)
    uniform:n=,density=[,m=][,seed=]  n x m (m = n unless given), round(n·m·density) entries anywhere

Random values are uniform in (0, 1]. Vertices of an R-MAT graph keep their numbers: low numbers have high degrees.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.suitesparse.memory import require_memory
from sim.errors import ConfigError, InputError, nearest

RMAT_PROBABILITIES = (0.57, 0.19, 0.19, 0.05)
_SAMPLES_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Kind:
    """A generator: its function, the lower bounds of its required and optional whole numbers, and its fractions."""

    make: Callable[..., Any]
    required: dict[str, int]
    optional: dict[str, int] = field(default_factory=dict)
    fractions: tuple[str, ...] = ()

    @property
    def keys(self) -> list[str]:
        """Every key that a recipe may give."""
        return [*self.required, *self.fractions, *self.optional]


def generate(recipe: str, *, seed: int | None = None) -> tuple[str, Any]:
    """The full recipe (seed included) and its matrix as a canonical `csr_array` of float64.

    A seed in the recipe wins over `seed`; without either it is 0. Raises `InputError` for an unknown kind and
    `ConfigError` for an unknown, missing or out-of-range key.
    """
    word, _, rest = recipe.partition(":")
    if word not in KINDS:
        raise InputError(f"no generator called {word!r}{nearest(word, KINDS)}; there are {', '.join(KINDS)}")
    kind = KINDS[word]
    settings = _parse(word, kind, rest)
    if "seed" in kind.optional:
        settings.setdefault("seed", 0 if seed is None else seed)
        if settings["seed"] < 0:
            raise ConfigError(f"{word}: seed is {settings['seed']}, not at least 0")
    name = f"{word}:" + ",".join(f"{key}={settings[key]}" for key in kind.keys if key in settings)
    return name, kind.make(**settings)


def rmat(*, n: int, edges: int, seed: int) -> Any:
    """R-MAT graph: n·edges samples in the next power of two, those outside redrawn, repeats merged."""
    import numpy as np

    samples = n * edges
    require_memory(samples * 32 + 8 * n, f"rmat with {samples} samples")
    generator = np.random.default_rng(seed)
    keys = np.empty(samples, dtype=np.int64)
    levels, done = (n - 1).bit_length(), 0
    while done < samples:
        rows, cols = _rmat_samples(generator, levels, min(samples - done, _SAMPLES_AT_ONCE))
        inside = (rows < n) & (cols < n)
        fresh = rows[inside] * n + cols[inside]
        keys[done : done + fresh.size] = fresh
        done += fresh.size
    return _from_keys(np.unique(keys), n, n, generator)


def poisson3d(*, n: int) -> Any:
    """Laplacian of the 7-point stencil on a grid of n points a side, zero outside (n^3 rows)."""
    import numpy as np
    from scipy import sparse

    size = n**3
    require_memory(size * 7 * 60, f"poisson3d with {size} rows")
    points = np.arange(size, dtype=np.int32 if 7 * size < 2**31 else np.int64)
    columns, keep = np.empty((size, 7), dtype=points.dtype), np.ones((size, 7), dtype=bool)
    for at, (stride, step) in enumerate([(n * n, -1), (n, -1), (1, -1), (0, 0), (1, 1), (n, 1), (n * n, 1)]):
        columns[:, at] = points + stride * step
        if step:
            place: Any = points // stride % n
            keep[:, at] = place > 0 if step < 0 else place < n - 1
    values = np.broadcast_to(np.array([-1.0, -1.0, -1.0, 6.0, -1.0, -1.0, -1.0]), (size, 7))[keep]
    indptr = np.concatenate([np.zeros(1, points.dtype), np.cumsum(keep.sum(axis=1), dtype=points.dtype)])
    return sparse.csr_array((values, columns[keep], indptr), shape=(size, size))


def banded(*, n: int, width: int, seed: int) -> Any:
    """`width` neighbouring diagonals about the main one, full, with random values."""
    import numpy as np
    from scipy import sparse

    below, above = width // 2, (width - 1) // 2
    require_memory(min(width, 2 * n) * n * 40, f"banded with {n} rows and {width} diagonals")
    rows = np.arange(n, dtype=np.int64)
    first, stop = np.maximum(rows - below, 0), np.minimum(rows + above + 1, n)
    lengths = stop - first
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    indices = np.arange(indptr[-1]) - np.repeat(indptr[:-1] - first, lengths)
    values = _values(np.random.default_rng(seed), indices.size)
    kind = np.int32 if max(n, indices.size) < 2**31 else np.int64
    return sparse.csr_array((values, indices.astype(kind), indptr.astype(kind)), shape=(n, n))


def uniform(*, n: int, density: float, seed: int, m: int | None = None) -> Any:
    """round(n·m·density) distinct entries, every choice of positions equally likely."""
    import numpy as np

    cols = n if m is None else m
    cells = n * cols
    if cells >= 2**63:
        raise ConfigError(f"uniform: {n} x {cols} has more cells than a 64-bit integer counts")
    count = round(cells * density)
    require_memory(count * 48 + 8 * n, f"uniform with {count} entries")
    generator = np.random.default_rng(seed)
    if count <= cells // 2:
        keys = _distinct(generator, cells, count)
    else:
        keep = np.ones(cells, dtype=bool)
        keep[_distinct(generator, cells, cells - count)] = False
        keys = np.flatnonzero(keep)
    return _from_keys(keys, n, cols, generator)


KINDS = {
    "rmat": Kind(rmat, {"n": 1, "edges": 0}, {"seed": 0}),
    "poisson3d": Kind(poisson3d, {"n": 1}),
    "banded": Kind(banded, {"n": 1, "width": 1}, {"seed": 0}),
    "uniform": Kind(uniform, {"n": 1}, {"m": 1, "seed": 0}, ("density",)),
}


def _rmat_samples(generator: Any, levels: int, count: int) -> tuple[Any, Any]:
    """Rows and columns of `count` samples: at each level one quadrant, by one uniform number."""
    import numpy as np

    a, b, c, _ = RMAT_PROBABILITIES
    rows, cols = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    for _ in range(levels):
        draw = generator.random(count)
        low = draw >= a + b
        rows = rows << 1 | low
        cols = cols << 1 | ((draw >= a) ^ low ^ (draw >= a + b + c))
    return rows, cols


def _distinct(generator: Any, cells: int, count: int) -> Any:
    """`count` distinct numbers below `cells` in ascending order; `count` is at most half of `cells`."""
    import numpy as np

    keys = np.empty(0, dtype=np.int64)
    while keys.size < count:
        keys = np.unique(np.concatenate([keys, generator.integers(cells, size=(count - keys.size) * 5 // 4 + 16)]))
    if keys.size > count:
        keep = np.ones(keys.size, dtype=bool)
        keep[generator.choice(keys.size, keys.size - count, replace=False)] = False
        keys = keys[keep]
    return keys


def _from_keys(keys: Any, rows: int, cols: int, generator: Any) -> Any:
    """The matrix with entries at row-major positions `keys` (ascending, distinct) and random values."""
    import numpy as np
    from scipy import sparse

    kind = np.int32 if max(rows, cols, keys.size) < 2**31 else np.int64
    starts = np.arange(rows + 1, dtype=np.int64) * cols
    indptr = np.searchsorted(keys, starts).astype(kind)
    data = _values(generator, keys.size)
    return sparse.csr_array((data, (keys % cols).astype(kind), indptr), shape=(rows, cols))


def _values(generator: Any, count: int) -> Any:
    """Uniform in (0, 1]: `random` gives [0, 1)."""
    return 1.0 - generator.random(count)


def _parse(word: str, kind: Kind, text: str) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if key not in kind.keys:
            raise ConfigError(f"{word}: unknown key {key!r}{nearest(key, kind.keys)}; keys: {', '.join(kind.keys)}")
        if not equals:
            raise ConfigError(f"{word}: {key!r} has no value; write {key}=...")
        if key in settings:
            raise ConfigError(f"{word}: {key!r} is given twice")
        settings[key] = _fraction(word, key, value) if key in kind.fractions else _whole(word, kind, key, value)
    missing = [key for key in (*kind.required, *kind.fractions) if key not in settings]
    if missing:
        raise ConfigError(f"{word}: {missing[0]!r} is missing; keys: {', '.join(kind.keys)}")
    return settings


def _whole(word: str, kind: Kind, key: str, value: str) -> int:
    try:
        number = int(value)
    except ValueError:
        raise ConfigError(f"{word}: {key} is {value!r}, not a whole number") from None
    lowest = (kind.required | kind.optional)[key]
    if not lowest <= number < 2**63:
        raise ConfigError(f"{word}: {key} is {value}, outside {lowest}..{2**63 - 1}")
    return number


def _fraction(word: str, key: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 <= number <= 1:
        raise ConfigError(f"{word}: {key} is {value!r}, not a number from 0 to 1")
    return number
