"""The parts of a page: text that is escaped, tables in boxes of their own, labels, figures, and the frame around all.

The page asks the network for nothing, and its content policy forbids it.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any

from analysis.figures.panel import Panel
from analysis.figures.svg import colour_variables, inline_svg

KINDS = {
    "measured": "timed on a real machine",
    "simulated": "computed by hwloop's model of the accelerator",
    "published": "taken from the SpArch paper",
    "calibrated": "a constant in it was fitted to a published total",
    "stand-in": "a matrix made to have the published statistics of one that was out of reach; its name ends in ~",
}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(value: object) -> Html:
    """`value` as HTML: escaped, unless it is HTML."""
    return value if isinstance(value, Html) else Html(html.escape(str(value)))


def tags(kinds: Iterable[str]) -> Html:
    """Labels of the kinds of some numbers."""
    return Html(" ".join(f'<span class="tag">{html.escape(kind)}</span>' for kind in kinds))


def cell(value: object, kind: str = "") -> Html:
    """A table cell. kind: a class: words, text, best, absent."""
    return Html(f"<td{f' class={chr(34)}{kind}{chr(34)}' if kind else ''}>{text(value)}</td>")


def _as_cell(value: object) -> Html:
    return value if isinstance(value, Html) and value.startswith("<td") else cell(value)


def table(
    headings: Sequence[object], rows: Sequence[tuple[object, Sequence[object]]], caption: str, averages: int = 0
) -> Html:
    """A table that scrolls in its own box. rows: name and cells; at least one; the last `averages` stand out."""
    lines = [(name, [_as_cell(one) for one in cells]) for name, cells in rows]
    body = []
    for place, (name, cells) in enumerate(lines):
        mark = ' class="average"' if place >= len(lines) - averages else ""
        body.append(f'<tr{mark}><th scope="row">{text(name)}</th>{"".join(cells)}</tr>')
    words = [False, *(one.startswith(('<td class="text"', '<td class="words"')) for one in lines[0][1])]
    head = [
        f'<th scope="col"{" class=text" if left else ""}>{text(one)}</th>'
        for one, left in zip(headings, words, strict=True)
    ]
    return Html(
        f'<div class="scroll" role="region" tabindex="0" aria-label="{html.escape(caption)}"><table>'
        f"<thead><tr>{''.join(head)}</tr></thead><tbody>\n"
        + "\n".join(body)
        + f'\n</tbody></table></div><p class="muted small">{html.escape(caption)}</p>'
    )


def facts(pairs: Mapping[str, Any]) -> Html:
    """Names and values as a list of definitions."""
    return Html(f"<dl>{''.join(f'<dt>{text(name)}</dt><dd>{text(value)}</dd>' for name, value in pairs.items())}</dl>")


def figure(panel: Panel, name: str) -> Html:
    """A panel with its heading; `name` is its id on the page."""
    return section(
        panel.title,
        Html(
            f"<figure>{inline_svg(panel.figure, name, panel.alt)}"
            f"<figcaption>{text(panel.caption)} {tags(panel.kinds)}</figcaption></figure>"
        ),
        name,
    )


def section(title: str, body: str, name: str) -> Html:
    """A part of the page with its heading."""
    return Html(f'<section id="{name}"><h2>{text(title)}</h2>\n{body}\n</section>')


def page(title: str, body: str) -> str:
    """The whole document."""
    style = resources.files("analysis").joinpath("report.css").read_text(encoding="utf-8")
    colours = f":root {{ {colour_variables(False)} }}\n"
    colours += f"@media (prefers-color-scheme: dark) {{ :root {{ {colour_variables(True)} }} }}\n"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>{text(title)}</title>\n<style>\n{style}{colours}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
