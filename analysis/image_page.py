"""A page of compressed generators: what each makes of some test images beside the teacher, and what it costs.

One self-contained file: the images are in it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.report_page import Html, page, section, table, text
from sim.errors import InputError
from sim.files import write_text

_SHOWN = (("psnr_db", "PSNR, dB", 1.0), ("kid", "KID × 1000", 1e3), ("frechet", "Fréchet distance", 1.0))


def write_image_page(record: Mapping[str, Any], path: Path) -> None:
    """The delivered winners of a search record (`hwloop search gan … --deliver`) as the page `path`.

    Raises InputError where the images of a winner cannot be read.
    """
    won = [one for one in record["searches"] if one["best"] is not None and one["best"].get("measured")]
    rows = [("teacher", _teacher(record["teacher"])), *((_name(one), _winner(one, record["teacher"])) for one in won)]
    heads = ("network", "M MACs", "times fewer", "k params", "predicted ms", "ms here")
    words = "MACs and parameters are counted, milliseconds predicted or measured as said, the rest measured on "
    data = won[0]["best"]["measured"]["data"] if won else {"test_images": 0, "name": "no images"}
    caption = f"{words}{data['test_images']:,} test images ({data['name']}) that no training and no search has seen."
    if record["teacher"].get("recorded"):
        caption += " Row and images of the teacher were recorded when it was trained, on the same test images."
    body = [Html("<h1>Compressed generators</h1>"), table((*heads, *(head for _, head, _ in _SHOWN)), rows, caption)]
    body += [section(_name(one), _images(one["best"]["measured"]), f"winner-{place}") for place, one in enumerate(won)]
    write_text(path, page("Compressed generators", "\n".join(body)))


def _name(one: Mapping[str, Any]) -> str:
    return f"{one['device']}, {one['budget']}"


def _teacher(found: Mapping[str, Any]) -> list[object]:
    sizes = (f"{found['macs'] / 1e6:.1f}", "1.0", f"{found['params'] / 1e3:,.0f}")
    return [*sizes, "–", "–", *_measures(found["measures"])]


def _winner(one: Mapping[str, Any], teacher: Mapping[str, Any]) -> list[object]:
    cost, measured = one["best"]["predicted"]["costs"][0], one["best"]["measured"]
    sizes = (f"{cost['macs'] / 1e6:.1f}", f"{teacher['macs'] / cost['macs']:.1f}", f"{cost['params'] / 1e3:,.0f}")
    span = f"{_ms(cost['latency_s'])} ({_ms(cost['latency_low_s'])} to {_ms(cost['latency_high_s'])})"
    return [
        *sizes,
        span if _known(cost["latency_s"]) else "–",
        _ms(measured["latency_s"]),
        *_measures(measured["measures"]),
    ]


def _measures(found: Mapping[str, Mapping[str, float]]) -> Sequence[str]:
    return [f"{found[name]['value'] * scale:.2f}" if name in found else "–" for name, _, scale in _SHOWN]


def _known(value: float | None) -> bool:
    return value is not None and value == value  # NaN is what a device without latencies gives


def _ms(seconds: float | None) -> str:
    return f"{1e3 * seconds:.3g}" if seconds is not None and _known(seconds) else "–"


def _images(measured: Mapping[str, Any]) -> Html:
    path = Path(measured["samples"])
    try:
        inside = base64.b64encode(path.read_bytes()).decode()
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r}: {error.strerror or error}") from None
    order = "input, teacher, compressed" + (", truth" if "psnr_db" in measured["measures"] else "")
    return Html(
        f"<p>From left to right: {text(order)}.</p>"
        f'<figure><img src="data:image/png;base64,{inside}" alt="{text(order)}, a row for each image" '
        f'style="width:100%;max-width:34rem;image-rendering:pixelated">'
        f"<figcaption>{text(measured['folder'])}</figcaption></figure>"
    )
