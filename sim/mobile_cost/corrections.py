"""What the terms miss of a single operator, learned: log(measured / modelled) from its shape, for each kernel class.

Only where operators were measured one by one can this be fitted. A norm, activation or sum behind a convolution is
corrected together with it, since what the convolution leaves in the caches decides how long they take. The trees know
sizes, tiles (powers of two that channels divide by), bytes against caches, and which function it is; outside of the
fitted range of a class its correction fades to nothing and the terms alone answer.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.mobile_cost.boosting import grow
from sim.mobile_cost.residual import Recipe, Residual
from sim.mobile_cost.terms import CHEAP, kernel_class
from sim.operator_counts import volume

if TYPE_CHECKING:
    from sim.operator import Operator

Array = np.ndarray[Any, np.dtype[Any]]

COLUMNS = (
    "log_in",
    "log_out",
    "log_positions",
    "log_group_width",
    "log_taps",
    "stride",
    "tile_in",
    "tile_out",
    "log_macs",
    "log_weight_bytes",
    "log_io_bytes",
    "log_length",
    "operands",
    "function",
    "norms",
    "sums",
    "last_function",
)
"""Features of an operator, of a fused one those of its first part, what follows it, and its last function; logarithms
to the base of two."""
_FUNCTIONS = (
    *(name for name in CHEAP if name),
    *("h_swish", "h_sigmoid", "silu", "sigmoid", "gelu", "tanh", "glu", "elu", "softplus", "mish"),
    *("batch", "layer", "group", "instance", "adaptive_instance", "layer_by_hand"),
    *("max", "max_ceil", "avg", "avg_ceil", "adaptive_avg", "adaptive_max", "mean"),
    *("add", "sub", "mul", "div", "copy", "nearest", "bilinear", "bicubic"),
)
_TILE = 32
_FEWEST = 24
RECIPE = Recipe(depth=3, rate=0.08, fewest=4, count=80)


@dataclass(frozen=True, eq=False)
class Corrections:
    """Trees over `COLUMNS` for some kernel classes."""

    by_class: Mapping[str, Residual]

    def value(self, operators: Sequence[Operator], batch_size: int) -> Array:
        """log of the factor on the modelled seconds of each operator; 0 where nothing is known."""
        out = np.zeros(len(operators))
        classes = [kernel_class(op) for op in operators]
        for name, part in self.by_class.items():
            rows = [row for row, found in enumerate(classes) if found == name]
            if rows:
                values = operator_columns([operators[row] for row in rows], batch_size)
                kept = values[:, [COLUMNS.index(column) for column in part.columns]]
                out[rows] = part.value(kept) * part.trust(kept)
        return out


def operator_columns(operators: Sequence[Operator], batch_size: int) -> Array:
    """(operators, COLUMNS)."""
    return np.array([_columns(op, batch_size) for op in operators]).reshape(len(operators), len(COLUMNS))


@functools.lru_cache(maxsize=100_000)
def _columns(whole: Operator, batch_size: int) -> tuple[float, ...]:
    op, following = whole.parts[0], whole.parts[1:]
    image = len(op.shape) == 3
    result = op.output_shape
    before, after = (op.shape[0], result[0]) if image else (op.shape[-1], result[-1])
    last = following[-1].function if following and following[-1].kind == "activation" else ""
    return (
        _log(before),
        _log(after),
        _log(volume(result) // max(after, 1) * batch_size),
        _log(before // op.groups),
        _log(volume(op.kernel)),
        float(max(op.stride)),
        float(math.gcd(before, _TILE)),
        float(math.gcd(after, _TILE)),
        _log(op.macs * batch_size),
        _log(op.weight_bytes),
        _log((op.input_bytes + op.bytes_written) * batch_size),
        _log(op.length + op.heads),
        float(len(op.others)),
        _code(op.function),
        float(sum(part.kind == "norm" for part in following)),
        float(sum(part.kind == "elementwise" for part in following)),
        _code(last),
    )


def _code(function: str) -> float:
    return float(_FUNCTIONS.index(function)) if function in _FUNCTIONS else -1.0


def _log(count: int) -> float:
    return math.log2(count) if count > 0 else -1.0


def fit_corrections(
    operators: Sequence[Operator], ratio: Array, batch_size: int, seed: int, recipe: Recipe = RECIPE
) -> Corrections:
    """From `ratio`, log(measured / modelled) of measured operators; a class of few rows gets none."""
    classes = np.array([kernel_class(op) for op in operators])
    values = operator_columns(operators, batch_size)
    found = {}
    for name in sorted(set(classes.tolist())):
        rows = np.flatnonzero(classes == name)
        if len(rows) >= _FEWEST:
            found[name] = _fitted(values[rows], ratio[rows], recipe, seed)
    return Corrections(found)


def _fitted(values: Array, target: Array, recipe: Recipe, seed: int) -> Residual:
    """Trees over the columns that differ; the range of each of these bounds what is trusted."""
    moving = np.flatnonzero(np.ptp(values, axis=0) > 0)
    kept = values[:, moving]
    grown = grow(
        kept, target, trees=recipe.count, depth=recipe.depth, rate=recipe.rate, fewest=recipe.fewest, seed=seed
    )
    low, high = np.quantile(target, [0.01, 0.99])
    columns = tuple(COLUMNS[place] for place in moving)
    return Residual(columns, kept.min(axis=0), kept.max(axis=0), grown, (float(low), float(high)))
