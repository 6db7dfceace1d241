"""Where a trained run is, and what stands in it: the folder of a study, or one that ships with this package.

A shipped folder (`models.gan.ship`) holds the supernet and its feature extractor under the names of a study, so that a
search opens it as it opens a study. Instead of the weights of the teacher it has what was measured of it, and what it
makes of some test images.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from sim.errors import ConfigError

LINE_TO_COLOUR = "line-to-colour"
SHIPPED = (LINE_TO_COLOUR,)
"""Names of the runs that ship, or are to ship."""
TEACHER_RECORD, TEACHER_IMAGES = "teacher.json", "teacher.png"


def run_folder(space: str) -> Path:
    """The folder `space`, else the run that ships under this name. Raises ConfigError where there is neither."""
    folder = Path(space)
    if folder.is_dir():
        return folder
    if space not in SHIPPED:
        raise ConfigError(
            f"no trained run {space!r}; nearest: --space DIR of 'hwloop train gan --out DIR', or {SHIPPED[0]}"
        )
    folder = shipped_folder(space)
    if not folder.is_dir():
        raise ConfigError(
            f"no run ships as {space!r} yet; nearest: hwloop train gan --config {space} --study --out RUN, then "
            f"python -m models.gan.ship RUN {folder}"
        )
    return folder


def is_run(space: str) -> bool:
    """Whether `space` names a run, not a released space."""
    return space in SHIPPED or Path(space).is_dir()


def shipped_folder(space: str) -> Path:
    """Where the run of this name is, or would be."""
    return Path(str(files("models.gan") / "shipped" / space))
