"""What the demos share: a profile of this machine, a search at the middle of the latencies reached here, delivery."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.search.constraint import Target
    from models.search.host import Host

SHARE = 0.5


@dataclass(frozen=True)
class Found:
    """record: of the search, its winner delivered into `folder` and measured. profile: where it is, and of what.
    target: this machine. host: how its profile was measured."""

    record: dict[str, Any]
    profile: dict[str, Any]
    folder: Path
    target: Target
    host: Host | None

    def shared(self) -> dict[str, Any]:
        """What the record of each demo holds."""
        kept = {key: self.record[key] for key in ("objective", "evaluations")}
        return {"profile": self.profile, "search": self.record["searches"][0], **kept}


def search_here(
    demo: str,
    known: Any,
    space: str,
    settings: Any,
    delivery: Any,
    profile_file: str | None,
    out: str | None,
    *,
    small: bool,
) -> Found:
    """Search `space` of the family `known` and deliver the winner into `out`, or ``demo-<demo>`` of the cache.

    small: less measuring. Raises InputError, ConfigError.
    """
    from hwloop.delivery import add_networks, host_of
    from hwloop.host_profile import open_profile
    from hwloop.progress import Progress
    from hwloop.search_command import target_of
    from models.search.study import Bound, Study, run
    from sim.files import cache_root

    path, profile, measured_now = open_profile(profile_file, small=small)
    folder = Path(out) if out is not None else cache_root() / f"demo-{demo}"
    folder.mkdir(parents=True, exist_ok=True)
    objective = known.objective(space, None)
    targets = (target_of(profile),)
    budget = Bound("latency", SHARE, share=True)
    with Progress() as progress:
        searched = Study(known.space(space, [], objective), objective, targets, (budget,), settings=settings)
        record: dict[str, Any] = run(searched, progress=progress)
    add_networks(delivery, record, targets, str(folder))
    about = {"file": str(path), "device": profile.name, "measured_now": measured_now}
    return Found(record, about, folder, targets[0], host_of(profile))
