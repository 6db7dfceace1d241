"""When the multipliers are done with a row, and whose lines a block finds: cases by hand, and random ones by force."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from sim.sparch.config import load_config
from sim.sparch.operand import Operand
from sim.sparch.plan import Plan, make_plan
from sim.sparch.row_release import FEW_ROWS, last_heads, last_parts, loaded_by, merged_share


def planned(matrix: object, **settings: int) -> Plan:
    a = Operand.of(matrix)
    return make_plan(a, a, load_config(settings={key.replace("__", "."): value for key, value in settings.items()}))


def test_row_longer_than_its_fifo() -> None:
    """One row of A times one row of B of 40 elements: multiplied when all but 8 of them are merged."""
    matrix = np.zeros((40, 40))
    matrix[0, 1] = 1.0
    matrix[1, :] = 1.0
    plan = planned(matrix, event__block_elements=16)
    share = merged_share(plan.a, plan.b, plan.rounds[0], 8)
    assert share[0] == (40 - 8) / 40
    assert merged_share(plan.a, plan.b, plan.rounds[0], 40)[0] == 0.0


@pytest.mark.parametrize("seed", range(4))
def test_share_by_sorting(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = sp.random_array((60, 60), density=0.2, rng=rng, format="csr")
    plan = planned(matrix, event__block_elements=16, merge_tree__ways=64)
    (one,) = plan.rounds
    depth = 8
    share = merged_share(plan.a, plan.b, one, depth)
    assert share.any()
    dense = matrix.toarray() != 0
    for block, row in enumerate(one.counts.last_row.tolist()):
        if one.counts.rows[block] > FEW_ROWS:
            assert share[block] == 0.0
            continue
        columns = [np.flatnonzero(dense[k]) for k in np.flatnonzero(dense[row])]
        long = [held[-depth - 1] for held in columns if held.size > depth]
        everything = np.concatenate(columns)
        expected = (everything <= max(long)).mean() if long else 0.0
        assert share[block] == pytest.approx(expected)


def test_who_loaded_the_lines() -> None:
    """Requests 0, 1 | 2 | 3, 4 | 5: request 3 finds the line of 2, and 4 that of 0; 5 one from an earlier round."""
    source = np.array([0, 1, 0, 2, 0, -1], np.int32)
    assert loaded_by(source, np.array([2, 1, 2, 1])).tolist() == [-1, 0, 1, -1]
    assert loaded_by(source[:0], np.zeros(2, np.int64)).tolist() == [-1, -1]


@pytest.mark.parametrize("seed", range(4))
def test_first_line_of_the_last_input_by_walking_back(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = sp.random_array((60, 60), density=0.2, rng=rng, format="csr")
    plan = planned(matrix, event__block_elements=16, merge_tree__ways=64, prefetch__line_elements=4)
    (one,) = plan.rounds
    counts = one.counts
    parts = last_parts(plan.a, plan.lines, one)
    lengths = np.diff(matrix.indptr)
    heads = last_heads(parts, counts)
    assert (parts > 1).any()
    walked = 0
    for block, row in enumerate(counts.last_row.tolist()):
        columns = matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]
        assert parts[block] == (-(-lengths[columns.max()] // 4) if columns.size else 0)
        whole = range(int(counts.row_first[block]), int(counts.row_last[block]) + 1)
        asked = [(place, left) for place in whole for left in range(int(counts.requests[place]) - 1, -1, -1)]
        if len(asked) >= parts[block] > 0 and counts.rows[block] == 1:
            assert heads[block] == asked[-int(parts[block])]
            walked += 1
    assert walked > 30
