"""The demo ``ofa``: the shipped supernet, searched for the very machine that it runs on, and the winner measured there.

1. a profile of this machine, measured in two minutes unless there is one; 2. a search at the middle of the latencies
that the space reaches here; 3. the winner as a network, its latency and its accuracy measured beside their prediction.
"""

from __future__ import annotations

import time
from typing import Any

import click

SPACE = "mini"


def tailored_network(profile_file: str | None, out: str | None, *, small: bool = False) -> dict[str, Any]:
    """All of it; the record. small: less measuring and a shorter search. Raises InputError, ConfigError."""
    from hwloop.delivery import require_torch

    require_torch()
    return _tailored_network(profile_file, out, small)


def _tailored_network(profile_file: str | None, out: str | None, small: bool) -> dict[str, Any]:
    from hwloop.host_search import search_here
    from models.data.fashion_mnist import SMALL
    from models.ofa.deliver import accuracy_on, load_network
    from models.ofa.family import family
    from models.ofa.trained import open_images
    from models.ofa.winners import Delivery
    from models.search.method import Settings

    begin = time.perf_counter()
    settings = Settings(20, 10) if small else Settings()
    delivery = Delivery(SPACE)
    found = search_here("ofa", family(), SPACE, settings, delivery, profile_file, out, small=small)
    shared = found.shared()
    best = shared["search"]["best"]
    network = load_network(best["measured"]["folder"])
    subset = open_images(delivery.trained, SMALL)
    return {
        "schema": "hwloop.ofa-demo/1",
        **shared,
        "subset": {"accuracy": accuracy_on(network, subset.test, best["arch"]["r"]), "images": len(subset.test.rows)},
        "wall_s": time.perf_counter() - begin,
    }


def show(record: dict[str, Any]) -> None:
    """The table."""
    from analysis.search_table import render_demo

    click.echo(render_demo(record), nl=False)
