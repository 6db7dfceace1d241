"""Lite Transformer and Transformer by name: a width (``c496``, ``d512``), ``-steps`` for decoding token by token,
``-encoder`` for the encoder alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from models.lite_transformer.translation import Translator, iwslt, language_model, transformer
from models.zoo.registry import Size
from sim.errors import InputError
from sim.network import Network

_FORMS: dict[str, tuple[str, Callable[[int], Translator], int]] = {
    "lite-transformer/wmt": ("c496", Translator, 30),
    "lite-transformer/iwslt": ("c160", iwslt, 30),
    "lite-transformer/cnndm": ("c496", Translator, 60),
    "lite-transformer/wikitext": ("c896", language_model, 30),
    "transformer": ("d512", transformer, 30),
}
"""Default width, form, target tokens."""


def lower(name: str, arch: str, size: Size | None) -> Network:
    """A network of these families at 30 source tokens. Raises InputError naming what would do."""
    default, form, target = _FORMS[name]
    found = re.fullmatch(rf"{default[0]}(\d{{1,5}})(-steps|-encoder)?", arch or default)
    if found is None:
        raise InputError(f"{name}: no architecture {arch!r}; nearest: {default}, {default}-steps or {default}-encoder")
    translator = form(int(found[1]))
    if found[2] == "-encoder" and translator.encoder_layers:
        return replace(translator, decoder_layers=0).lower(30)
    return translator.lower_steps(30, target) if found[2] == "-steps" else translator.lower(30, target)
