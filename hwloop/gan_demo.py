"""The demo ``gan``: the shipped supernet of generators, searched for the very machine that it runs on, and a page.

1. a profile of this machine, measured in two minutes unless there is one; 2. a search at the middle of the latencies
that the space reaches here, where each sub-network is scored by the KID of what it makes of held-out drawings; 3. the
winner as a network, measured beside its prediction and beside the teacher, on a page with images.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

SHARE = 0.5
SPACE = "line-to-colour"
POPULATION, GENERATIONS = 16, 7
"""A score takes a second or two; at most 128 sub-networks are scored, those of an earlier run not again."""
SMALL = (4, 1)


def compressed_generator(profile_file: str | None, out: str | None, *, small: bool = False) -> dict[str, Any]:
    """All of it; the record. small: less measuring and a shorter search. Raises InputError, ConfigError."""
    from hwloop.delivery import require_torch

    require_torch()
    return _compressed_generator(profile_file, out, small)


def _compressed_generator(profile_file: str | None, out: str | None, small: bool) -> dict[str, Any]:
    from analysis.image_page import write_image_page
    from hwloop.delivery import add_networks
    from hwloop.host_profile import open_profile
    from models.gan.deliver import Delivery
    from sim.files import cache_root

    begin = time.perf_counter()
    delivery = Delivery(SPACE)
    path, profile, measured_now = open_profile(profile_file, small=small)
    folder = Path(out) if out is not None else cache_root() / "demo-gan"
    folder.mkdir(parents=True, exist_ok=True)
    record, targets = _search(profile, small)
    add_networks(delivery, record, targets, str(folder))
    page = folder / "index.html"
    write_image_page(record, page)
    return {
        "schema": "hwloop.gan-demo/1",
        "profile": {"file": str(path), "device": profile.name, "measured_now": measured_now},
        "search": record["searches"][0],
        "search_images": len(delivery.work.images.search),
        "objective": record["objective"],
        "evaluations": record["evaluations"],
        "teacher": record["teacher"],
        "page": str(page),
        "wall_s": time.perf_counter() - begin,
    }


def show(record: dict[str, Any]) -> None:
    """The table."""
    from analysis.gan_tables import render_demo

    click.echo(render_demo(record), nl=False)


def _search(profile: Any, small: bool) -> tuple[dict[str, Any], Any]:
    from hwloop.progress import Progress
    from hwloop.search_command import target_of
    from models.gan.search import family
    from models.search.method import Settings
    from models.search.study import Bound, Study, run

    known = family()
    objective = known.objective(SPACE, None)
    targets = (target_of(profile),)
    settings = Settings(*(SMALL if small else (POPULATION, GENERATIONS)), mutation=0.3)
    budget = Bound("latency", SHARE, share=True)
    with Progress() as progress:
        space = known.space(SPACE, [], objective)
        record: dict[str, Any] = run(Study(space, objective, targets, (budget,), settings=settings), progress=progress)
    return record, targets
