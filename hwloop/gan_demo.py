"""The demo ``gan``: the shipped supernet of generators, searched for the very machine that it runs on, and a page.

1. a profile of this machine, measured in two minutes unless there is one; 2. a search at the middle of the latencies
that the space reaches here, where each sub-network is scored by the KID of what it makes of held-out drawings; 3. the
winner as a network, measured beside its prediction and beside the teacher, on a page with images.
"""

from __future__ import annotations

import time
from typing import Any

import click

SPACE = "line-to-colour"
POPULATION, GENERATIONS = 16, 7
"""At most 128 sub-networks are scored, those of an earlier run not again."""
SMALL = (4, 1)


def compressed_generator(profile_file: str | None, out: str | None, *, small: bool = False) -> dict[str, Any]:
    """All of it; the record. small: less measuring and a shorter search. Raises InputError, ConfigError."""
    from hwloop.delivery import require_torch

    require_torch()
    return _compressed_generator(profile_file, out, small)


def _compressed_generator(profile_file: str | None, out: str | None, small: bool) -> dict[str, Any]:
    from analysis.image_page import write_image_page
    from hwloop.host_search import search_here
    from models.gan.deliver import Delivery
    from models.gan.search import family
    from models.search.method import Settings

    begin = time.perf_counter()
    settings = Settings(*(SMALL if small else (POPULATION, GENERATIONS)), mutation=0.3)
    delivery = Delivery(SPACE)
    found = search_here("gan", family(), SPACE, settings, delivery, profile_file, out, small=small)
    page = found.folder / "index.html"
    write_image_page(found.record, page)
    return {
        "schema": "hwloop.gan-demo/1",
        **found.shared(),
        "search_images": len(delivery.work.images.search),
        "teacher": found.record["teacher"],
        "page": str(page),
        "wall_s": time.perf_counter() - begin,
    }


def show(record: dict[str, Any]) -> None:
    """The table."""
    from analysis.gan_tables import render_demo

    click.echo(render_demo(record), nl=False)
