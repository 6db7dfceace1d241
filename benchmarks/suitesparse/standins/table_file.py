"""`standins.toml` written from specifications: the part that `fit` needs and `recipe` does not."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.suitesparse.standins.recipe import FEATURE_SOURCE, Lattice, StandinSpec

_HEAD = f"""# Stand-ins for benchmark matrices: recipes, the published figures they are fitted to, and what they reach.
# Written by `python -m benchmarks.suitesparse.standins.fit`; fitted to matrix features only, never to a simulator.
#
# span, similarity, lengths.std   published: {FEATURE_SOURCE}
# all other targets               published: ../catalogue.toml
# lengths.empty, lengths.low      assumed or recalled, in no table at hand (but the shortest row, where it is not 0)
# knobs                           the parameter that was fitted for each figure; the others were chosen by hand
# numbering.low, numbering.high   the two ends of the tolerance: span +10 %, similarity -0.05, and the reverse
# reached                         counted on the stand-in with the seed given here
"""
_ORDER = ("lengths", "pattern", "numbering", "knobs", "reached")


def write(specs: Iterable[StandinSpec], path: Path) -> None:
    """Write `specs` to `path`, whole or not at all."""
    from sim.files import write_text

    write_text(path, _HEAD + "".join(f"\n{text(one)}" for one in sorted(specs, key=lambda one: one.original.lower())))


def text(spec: StandinSpec) -> str:
    """One specification as TOML."""
    lines = [f"[{spec.original}]", f"family = {_value('lattice' if isinstance(spec.pattern, Lattice) else 'network')}"]
    for key in ("idea", "seed", "span", "similarity", "fitted", "note"):
        lines.append(f"{key} = {_value(getattr(spec, key))}")
    for group in _ORDER:
        content = getattr(spec, group)
        if group in ("numbering", "reached"):
            lines += [f"{group}.{key} = {_inline(one)}" for key, one in content.items()]
        else:
            lines.append(f"{group} = {_inline(content)}")
    return "\n".join(lines) + "\n"


def _inline(content: Any) -> str:
    items: Mapping[str, Any] = content if isinstance(content, Mapping) else dataclasses.asdict(content)
    return "{ " + ", ".join(f"{key} = {_value(value)}" for key, value in items.items()) + " }"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)
