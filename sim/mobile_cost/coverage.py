"""Whether 90 % intervals cover what they say, and how often a method without any fault would be seen to.

The share of `unseen` networks inside is compared with the 95 % binomial band around 0.90. Intervals whose bounds are
order statistics of `known` scores have a coverage of their own, Beta(k, known + 1 - k) with k scores from one bound to
the other, so that the number inside is beta-binomial, not binomial: with few known and many unseen networks it leaves
the band by chance (Vovk, Conditional validity of inductive conformal predictors, 2012). Networks are assumed to be
exchangeable; those of a family left out, or at another resolution, are not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from sim.mobile_cost.checks import REQUIRED_AND_AIM
from sim.mobile_cost.intervals import COVERAGE, places

_BAND = 0.95


def band(unseen: int) -> tuple[int, int]:
    """Fewest and most of `unseen` networks that the 95 % binomial band around 0.90 holds."""
    from scipy.stats import binom

    low, high = binom.interval(_BAND, unseen, COVERAGE)
    return int(low), int(high)


def in_band(row: Mapping[str, Any]) -> bool:
    """Whether the coverage of a row of `validate` lies in the band."""
    low, high = band(row["n"])
    return bool(low <= round(row["coverage_90"] * row["n"]) <= high)


def chance_in_band(known: int, unseen: int) -> float:
    """How often faultless intervals from `known` scores fall in the band of `unseen` networks."""
    from scipy.stats import betabinom

    lower, upper = places(known)
    between, (low, high) = upper - lower, band(unseen)
    inside = betabinom(unseen, between, known + 1 - between)
    return float(inside.cdf(high) - inside.cdf(low - 1))


def summary(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Of the rows that the accuracy table asks for: how many are in the band, and how many faultless ones would be.

    {asked, in_band, expected, spread}: expected and its standard deviation take rows as independent; a row whose
    number of scores is not known (`calibrated_on`) counts as one that a faultless method never misses.
    """
    asked = [row for row in rows if row["check"] in REQUIRED_AND_AIM and row["coverage_90"] is not None]
    chances = [chance_in_band(row["calibrated_on"], row["n"]) if row.get("calibrated_on") else 1.0 for row in asked]
    return {
        "asked": len(asked),
        "in_band": sum(in_band(row) for row in asked),
        "expected": sum(chances),
        "spread": math.sqrt(sum(one * (1 - one) for one in chances)),
    }
