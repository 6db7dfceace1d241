"""Where what ships is: the translation model that `hwloop translate` answers with, and the supernet whose predictor
scores a search of the default space. `models.lite_transformer.ship` makes both of finished runs."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from sim.errors import InputError

TRANSLATION, SUPERNET = "translation", "supernet"
_SAYS = {
    TRANSLATION: ("no translation model ships", "--model DIR"),
    SUPERNET: ("no supernet ships", "hwloop train lite-transformer --config mini-supernet --out DIR"),
}


def shipped_root() -> Path:
    """The folder of all that ships, or would."""
    return Path(str(files("models.lite_transformer") / "shipped"))


def shipped(part: str) -> Path | None:
    """The folder of a part that ships, None where it does not yet."""
    folder = shipped_root() / part
    return folder if (folder / "config.json").is_file() else None


def require_shipped(part: str) -> Path:
    """As `shipped`. Raises InputError where it does not ship yet."""
    folder = shipped(part)
    if folder is None:
        what, instead = _SAYS[part]
        raise InputError(f"{what} with this hwloop yet; nearest: {instead}")
    return folder
