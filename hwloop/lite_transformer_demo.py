"""The demo ``lite-transformer``: the shipped model translates; the shipped supernet is searched for this very machine;
the model is compressed; its layers are simulated on SpArch. No corpus and no network is needed.

1. three sentences of our own, English to French; 2. a profile of this machine, measured in two minutes unless there is
one, and a search by the predictor that ships, at the middle of the latencies that the space reaches here; the winner is
timed beside its prediction; 3. the shipped model pruned and quantised by the loss of its own translations, without
fine-tuning; 4. linear layers on SpArch for one sentence, unpruned and pruned, beside a dense array and this machine.
"""

from __future__ import annotations

import time
from typing import Any

import click

SENTENCES = (
    "This package contains the documentation for the library.",
    "A small tool that converts images to other formats.",
    "It provides a graphical interface to manage network connections.",
)
MORE = (
    "This package provides the development files.",
    "It can be used from the command line or as a Python module.",
    "This is a transitional package that can safely be removed.",
    "The program reads a list of files and shows their sizes.",
    "A fast and simple web server written in C.",
    "This library implements several compression algorithms.",
    "Users can choose between several themes and languages.",
    "This package contains the debugging symbols.",
    "It supports encryption and digital signatures.",
    "A game in which the player must find the way out of a maze.",
    "The server stores all messages in a database.",
    "This module makes it easy to parse configuration files.",
    "It includes a plugin for the desktop environment.",
)
"""With `SENTENCES`: what the compressed model is compared with the full one on."""
KEEPS, BITS = (1.0, 0.8, 0.6, 0.4), 6.0
SIMULATED = (1.0, 0.6)
"""Of `KEEPS`: those that are simulated."""
POPULATION, GENERATIONS = 100, 100
SMALL = (8, 2)


def text_on_hardware(profile_file: str | None, out: str | None, *, small: bool = False) -> dict[str, Any]:
    """All of it; the record. small: less measuring, a shorter search, fewer models. Raises InputError, ConfigError."""
    from importlib.util import find_spec

    from sim.errors import InputError

    for module, extra in (("torch", "nas"), ("safetensors", "nas"), ("tokenizers", "text"), ("sacrebleu", "text")):
        if find_spec(module) is None:
            raise InputError(f"the demo needs {module}; nearest: pip install 'hwloop[{extra}]'")
    from models.lite_transformer.runs import SUPERNET, TRANSLATION, require_shipped

    model, supernet = require_shipped(TRANSLATION), require_shipped(SUPERNET)
    return _Demo(str(model), str(supernet), small).run(profile_file, out)


class _Demo:
    """The parts, each with the time that it took."""

    def __init__(self, model: str, supernet: str, small: bool) -> None:
        self.model, self.supernet, self.small = model, supernet, small
        self.wall_s: dict[str, float] = {}

    def run(self, profile_file: str | None, out: str | None) -> dict[str, Any]:
        """The record."""
        begin = time.perf_counter()
        translated = self._timed("translate", self._translate)
        found = self._timed("search", lambda: self._search(profile_file, out))
        shared = found.shared()
        compressed = self._timed("compress", lambda: self._compress(found.folder))
        simulated = self._timed("simulate", lambda: self._simulate(found))
        return {
            "schema": "hwloop.lite-transformer-demo/1",
            "model": self.model,
            "translations": translated,
            **shared,
            "shipped_model": self._shipped_latency(found),
            "compressed": compressed,
            "sparch": simulated,
            "parts_wall_s": self.wall_s,
            "wall_s": time.perf_counter() - begin,
        }

    def _timed(self, name: str, part: Any) -> Any:
        begin = time.perf_counter()
        made = part()
        self.wall_s[name] = time.perf_counter() - begin
        return made

    def _translate(self) -> list[dict[str, str]]:
        from models.lite_transformer.own_text import own_pairs
        from models.lite_transformer.translate import load_ready

        self.ready = load_ready(self.model)
        outputs = self.ready(SENTENCES)
        self.pairs = own_pairs(self.ready, SENTENCES if self.small else (*SENTENCES, *MORE))
        return [{"text": text, "translation": output} for text, output in zip(SENTENCES, outputs, strict=True)]

    def _search(self, profile_file: str | None, out: str | None) -> Any:
        from hwloop.host_search import search_here
        from models.lite_transformer.deliver import Delivery
        from models.lite_transformer.search import family
        from models.search.method import Settings

        settings = Settings(*(SMALL if self.small else (POPULATION, GENERATIONS)))
        delivery = Delivery(self.supernet)
        known, space = family(), delivery.run.space.name
        return search_here("lite-transformer", known, space, settings, delivery, profile_file, out, small=self.small)

    def _shipped_latency(self, found: Any) -> dict[str, Any]:
        """Of the shipped model, measured as the winner was."""
        from models.lite_transformer.finals import decode_time

        timed = decode_time(self.ready.model, threads=found.host.threads) if found.host else None
        return {
            "latency_s": None if timed is None else timed.latency_s,
            "hindered": timed is not None and timed.hindered,
            "params": sum(one.numel() for one in self.ready.model.body()),
        }

    def _compress(self, folder: Any) -> list[dict[str, Any]]:
        from hwloop.progress import Progress
        from models.compress.pipeline import Settings
        from models.lite_transformer.own_text import compress_by_itself

        rows = []
        for keep in SIMULATED if self.small else KEEPS:
            settings = Settings(keep=keep, mean_bits=BITS if keep < 1 else 8.0)
            place = folder / _name(keep)
            with Progress() as progress:
                record = compress_by_itself(self.model, place, settings, self.pairs, progress)
            rows.append({**{key: one for key, one in record.items() if key != "layers"}, "folder": str(place)})
        return rows

    def _simulate(self, found: Any) -> list[dict[str, Any]]:
        from hwloop.progress import Progress
        from models.lite_transformer.on_sparch import on_sparch

        rows = []
        for keep in SIMULATED:
            with Progress() as progress:
                record = on_sparch(
                    self.model,
                    found.folder / _name(keep),
                    devices=[(found.target.oracle, found.target.context)],
                    sentences=1,
                    densities=(),
                    pairs=self.pairs[: len(SENTENCES)],
                    progress=progress,
                )
            rows.append({"keep": keep, **record})
        return rows


def _name(keep: float) -> str:
    return f"keep-{100 * keep:.0f}"


def show(record: dict[str, Any]) -> None:
    """The table."""
    from analysis.text_demo_table import render_demo

    click.echo(render_demo(record), nl=False)
