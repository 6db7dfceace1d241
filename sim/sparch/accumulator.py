"""Dense scratch of a merge: what the software that plans a round adds products up in, an entry for each column of B."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Accumulator:
    """Sums, and which leaves contributed to each (two words a column above 64 ways).

    The masks are zero between rounds, so one accumulator serves all rounds of a run.
    """

    value: npt.NDArray[np.float64]
    mask: npt.NDArray[np.uint64]
    mask_high: npt.NDArray[np.uint64]

    @classmethod
    def of(cls, cols: int, ways: int) -> Accumulator:
        """Zeros for `cols` columns of B and a tree of `ways` inputs."""
        return cls(np.zeros(cols), np.zeros(cols, np.uint64), np.zeros(cols if ways > 64 else 0, np.uint64))
