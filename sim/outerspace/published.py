"""OuterSPACE's mean throughput as it is published: what SpArch's own speed-up of 4.2 is a ratio to.

The published run times that the timing model is calibrated on (`timing.toml`) mean 0.3 to 1.2 GFLOP/s, so the two
sources do not agree with each other, and a speed-up over the simulated OuterSPACE is not one over the published mean.
"""

from __future__ import annotations

PUBLISHED_GFLOPS = 2.5
"""Geometric mean over the twenty matrices, as SpArch's paper states it (recalled; OuterSPACE's abstract says 2.9)."""
