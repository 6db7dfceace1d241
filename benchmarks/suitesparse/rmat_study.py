"""The scaling study on power-law graphs: 5k to 80k nodes, 4 to 32 edges a node (sizes recalled from the paper).

Products grow faster than graphs: 80k nodes with 32 edges each take billions of multiplications. What exceeds the limit
is left out and named.
"""

from __future__ import annotations

from collections.abc import Callable

NODES = (5_000, 10_000, 20_000, 40_000, 80_000)
EDGES = (4, 8, 16, 32)
MOST_MULTIPLICATIONS = 150_000_000


def rmat_specs(
    *,
    seed: int = 1,
    most_multiplications: int = MOST_MULTIPLICATIONS,
    note: Callable[[str], None] = lambda line: None,
) -> list[str]:
    """Generator texts of those whose product takes at most `most_multiplications`; `note` is told the others."""
    from benchmarks.suitesparse.matrix import load_matrix, multiplications

    specs: list[str] = []
    skipped: list[str] = []
    for edges in EDGES:
        for place, nodes in enumerate(NODES):
            csr = load_matrix(spec := f"rmat:n={nodes},edges={edges},seed={seed}").csr
            if multiplications(csr, csr) > most_multiplications:
                skipped += [f"n={larger},edges={edges}" for larger in NODES[place:]]
                break
            specs.append(spec)
    if skipped:
        note(f"left out, over {most_multiplications:,} multiplications: {'; '.join(skipped)}")
    return specs
