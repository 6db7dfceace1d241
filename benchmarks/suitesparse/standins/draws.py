"""Random draws inside kernels: splitmix64 on an explicit state, the same integers on every platform and version.

A state is an array of one uint64, made by `new_state`; every draw advances it. Seeds of different purposes are told
apart by a stream number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sim.jit import njit

State = npt.NDArray[np.uint64]
Float64s = npt.NDArray[np.float64]


def new_state(seed: int, stream: int) -> State:
    """A fresh state for purpose `stream` of `seed`."""
    state = np.array([seed], dtype=np.uint64)
    state[0] = np.uint64((int(draw(state)) + stream * 0xD1342543DE82EF95) & 0xFFFFFFFFFFFFFFFF)
    return state


@njit
def draw(state: State) -> Any:
    """64 random bits, a uint64."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit
def below(state: State, bound: int) -> int:
    """A whole number from 0 to `bound` - 1, `bound` being at most 2^32; uneven by 2^-31 of `bound`."""
    return int((np.int64(draw(state) >> np.uint64(33)) * np.int64(bound)) >> np.int64(31))


@njit
def chance(state: State, probability: float) -> bool:
    """True with the given probability."""
    return bool(np.float64(draw(state) >> np.uint64(11)) * 2.0**-53 < probability)


@njit
def log_uniform(state: State, low: int, high: int) -> int:
    """A whole number from 0 to 2^high - 1: below 2^low as one class, each power of two above it as one class."""
    power = low + below(state, high - low + 1)
    if power == low:
        return below(state, 1 << power)
    return (1 << (power - 1)) + below(state, 1 << (power - 1))


@njit
def shuffle(state: State, items: npt.NDArray[np.int64]) -> None:
    """Fisher-Yates, in place."""
    for last in range(items.size - 1, 0, -1):
        other = below(state, last + 1)
        items[last], items[other] = items[other], items[last]


@njit
def fill_values(state: State, values: Float64s) -> None:
    """Uniform in [0.5, 1.5)."""
    for x in range(values.size):
        values[x] = 0.5 + np.float64(draw(state) >> np.uint64(11)) * 2.0**-53
