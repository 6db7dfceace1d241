"""The demo ``ofa``: the shipped supernet, searched for the very machine that it runs on, and the winner measured there.

1. a profile of this machine, measured in two minutes unless there is one; 2. a search at the middle of the latencies
that the space reaches here; 3. the winner as a network, its latency and its accuracy measured beside their prediction.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

SHARE = 0.5
SPACE = "mini"


def tailored_network(profile_file: str | None, out: str | None, *, small: bool = False) -> dict[str, Any]:
    """All of it; the record. small: less measuring and a shorter search. Raises InputError, ConfigError."""
    from hwloop.delivery import require_torch

    require_torch()
    return _tailored_network(profile_file, out, small)


def _tailored_network(profile_file: str | None, out: str | None, small: bool) -> dict[str, Any]:
    from hwloop.delivery import add_networks
    from hwloop.host_profile import open_profile
    from models.data.fashion_mnist import SMALL
    from models.ofa.deliver import accuracy_on, load_network
    from models.ofa.trained import open_images
    from models.ofa.winners import Delivery
    from sim.files import cache_root

    begin = time.perf_counter()
    delivery = Delivery(SPACE)
    path, profile, measured_now = open_profile(profile_file, small=small)
    folder = Path(out) if out is not None else cache_root() / "demo-ofa"
    folder.mkdir(parents=True, exist_ok=True)
    record, targets = _search(profile, small)
    add_networks(delivery, record, targets, str(folder))
    best = record["searches"][0]["best"]
    network = load_network(best["measured"]["folder"])
    subset = open_images(delivery.trained, SMALL)
    return {
        "schema": "hwloop.ofa-demo/1",
        "profile": {"file": str(path), "device": profile.name, "measured_now": measured_now},
        "search": record["searches"][0],
        "objective": record["objective"],
        "evaluations": record["evaluations"],
        "subset": {"accuracy": accuracy_on(network, subset.test, best["arch"]["r"]), "images": len(subset.test.rows)},
        "wall_s": time.perf_counter() - begin,
    }


def show(record: dict[str, Any]) -> None:
    """The table."""
    from analysis.search_table import render_demo

    click.echo(render_demo(record), nl=False)


def _search(profile: Any, small: bool) -> tuple[dict[str, Any], Any]:
    from hwloop.progress import Progress
    from hwloop.search_command import target_of
    from models.ofa.family import family
    from models.search.method import Settings
    from models.search.study import Bound, Study, run

    known = family()
    objective = known.objective(SPACE, None)
    targets = (target_of(profile),)
    settings = Settings(20, 10) if small else Settings()
    budget = Bound("latency", SHARE, share=True)
    with Progress() as progress:
        space = known.space(SPACE, [], objective)
        record: dict[str, Any] = run(Study(space, objective, targets, (budget,), settings=settings), progress=progress)
    return record, targets
