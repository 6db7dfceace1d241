"""Whether a run uses the stand-ins and defaults that were fixed before the first run over all twenty matrices.

Stand-ins are fitted to matrix features, defaults chosen for reasons that hold for the hardware; neither may follow from
the results that they give. `fixed.toml` has the commit that came before the first such run, and their fingerprints.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

WORDS = {"standins": "stand-ins", "defaults": "simulator defaults"}


def fixed_line(bench: Mapping[str, Any]) -> str:
    """One sentence: unchanged since that commit, or what changed."""
    import tomllib

    fixed = tomllib.loads(Path(__file__).with_name("fixed.toml").read_text(encoding="utf-8"))
    code = bench.get("code") or {}
    changed = [WORDS[name] for name, value in fixed["fingerprints"].items() if code.get(name) != value]
    since = f"commit {fixed['commit'][:12]} ({fixed['date']}), which came before the first run over all twenty matrices"
    if changed:
        return f"Changed since {since}: {' and '.join(changed)}."
    return f"Stand-ins and simulator defaults are those of {since}."
