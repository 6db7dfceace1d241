"""A figure as inline SVG for a page: colours as CSS variables, text as text, ids of its own, a text alternative.

The same figure gives the same bytes: no date, ids from a fixed salt.
"""

from __future__ import annotations

import html
import re
from io import StringIO
from typing import TYPE_CHECKING

from analysis.figures.style import COLOURS, look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FONT = re.compile(r"font-family:[^;\"]*;?|(font:[^;\"]*?\d(?:\.\d+)?px)[^;\"]*")


def colour_variables(dark: bool) -> str:
    """CSS declarations of all colours of the figures."""
    return " ".join(f"--fig-{name}: {pair[dark]};" for name, pair in COLOURS.items())


def inline_svg(figure: Figure, name: str, alt: str) -> str:
    """`figure` as an ``<svg>`` element; `name` begins its ids, `alt` says what is in it to who does not see it."""
    out = StringIO()
    with look():
        import matplotlib

        matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": name})
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    body = out.getvalue()
    body = re.sub(r"<metadata>.*?</metadata>", "", body[body.index("<svg") :], flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", body)
    for colour, (light, _) in COLOURS.items():
        body = body.replace(light, f"var(--fig-{colour})")
    body = _FONT.sub(lambda match: f"{match[1]} var(--fig-font)" if match[1] else "font-family: var(--fig-font);", body)
    head = re.search(r'viewBox="([^"]*)"', body)
    assert head is not None
    start = f'<svg class="figure" role="img" aria-label="{html.escape(alt)}" viewBox="{head[1]}" '
    start += 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    return start + body[body.index(">") + 1 :].rstrip()
