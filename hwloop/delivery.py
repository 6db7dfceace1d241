"""From the command line to delivered networks: which of the devices is this machine, and how it was measured."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.search.constraint import Target
    from models.search.delivery import Delivery
    from models.search.family import Family
    from models.search.host import Host
    from models.search.study import Study
    from sim.mobile_cost.profile import DeviceProfile

_MOST_WORKERS = 4
_DEFAULTS = {"finetune_epochs": 0.0, "finalists": 1}


def open_delivery(family: Family, options: dict[str, Any], out: str | None) -> Delivery | None:
    """What will make networks of the winners, or None where ``--deliver`` is not asked for.

    Raises ConfigError for options that need it, or it them; InputError, ConfigError of what cannot be opened.
    """
    from sim.errors import ConfigError

    if not options["deliver"]:
        for name in () if options["compare"] else ("supernet", "data", "finetune_epochs", "finalists"):
            if options[name] not in (None, _DEFAULTS.get(name)):
                option = f"--{name.replace('_', '-')}"
                raise ConfigError(
                    f"{option} {options[name]} says nothing without --deliver; nearest: {option} … --deliver"
                )
        return None
    if out is None:
        raise ConfigError("--deliver needs a folder for the networks; nearest: --out DIR")
    require_torch()
    made = family.delivery(options["space"] or family.default_space, options["supernet"], options["data"])
    made.require(options["finalists"], options["finetune_epochs"])
    return made


def require_torch() -> None:
    """Raise InputError where what networks are made with is not installed."""
    from importlib.util import find_spec

    from sim.errors import InputError

    for module, package in (("torch", "torch"), ("safetensors", "safetensors")):
        if find_spec(module) is None:
            raise InputError(f"networks are made with {package}, which is not here: pip install 'hwloop[nas,onnx]'")


def hosts_of(targets: Iterable[Target]) -> dict[str, Host]:
    """The devices that are this machine's own profile, by name."""
    found = {}
    for target in targets:
        profile = getattr(target.oracle, "profile", None)
        here = host_of(profile) if profile is not None else None
        if here is not None:
            found[target.name] = here
    return found


def host_of(profile: DeviceProfile) -> Host | None:
    """How `profile` was measured, where it is of this machine; else None."""
    from hwloop.profile_command import machine_words
    from models.search.host import Host

    if profile.label != "measured":
        return None
    for target in ("cpu", "cuda"):
        if re.match(
            rf"measured on this host: {re.escape(machine_words(target))}, \d+ threads, {target}, ", profile.description
        ):
            return Host(profile.threads[0], profile.dtypes[0], profile.batch_sizes[0], target)
    return None


def add_networks(
    delivery: Delivery,
    record: dict[str, Any],
    targets: Sequence[Target],
    out: str,
    *,
    epochs: float = 0.0,
    finalists: int = 1,
) -> None:
    """Deliver the winners of `record` into the folder `out`, with progress on a terminal."""
    from hwloop.progress import Progress

    with Progress() as progress:
        delivery.deliver(
            record,
            Path(out),
            targets,
            hosts_of(targets),
            finalists=finalists,
            finetune_epochs=epochs,
            progress=progress,
        )


def compare_winners(family: Any, study: Study[Any], options: dict[str, Any], out: str | None) -> dict[str, Any]:
    """The record of winners against rivals, also ``compare.json`` in the folder `out`; accuracies are kept there.

    Raises ConfigError without a folder, or for a family that has no such comparison.
    """
    from hwloop.progress import Progress
    from hwloop.sweep_command import out_folder, write_record
    from sim.errors import ConfigError

    if out is None:
        raise ConfigError("--compare needs a folder for what it measures; nearest: --out DIR")
    run = getattr(family, "compare", None)
    if run is None:
        raise ConfigError(f"winners of {family.name!r} cannot be compared; nearest: hwloop search ofa … --compare")
    require_torch()
    folder = out_folder(out)
    more = {"hosts": hosts_of(study.targets)} if getattr(family, "compares_on_host", False) else {}
    with Progress() as progress:
        try:
            record: dict[str, Any] = run(
                study,
                options["supernet"],
                options["data"],
                **more,
                cache=folder / "accuracies",
                workers=min(os.cpu_count() or 1, _MOST_WORKERS),
                progress=progress,
            )
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"interrupted; accuracies are kept in {out!r}, the same command goes on") from None
    write_record(folder, "compare.json", record)
    return record
