"""A trained model ready to use: text in, text out, from a training run's folder or a compressed one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from models.lite_transformer.checkpoint import MODEL, build, load_model, matching_tokenizer
from models.lite_transformer.ddtp import clean
from models.lite_transformer.decoding import beam_search
from models.lite_transformer.model import TextModel
from models.lite_transformer.tokenizer import Tokenizer
from sim.errors import InputError

COMPRESSED = "compressed.safetensors"


@dataclass(frozen=True)
class Ready:
    """A model with its tokenizer."""

    model: TextModel
    tokenizer: Tokenizer
    task: str

    def __call__(
        self, texts: Sequence[str], *, beam: int = 4, penalty: float = 0.6, truncate: bool = False
    ) -> list[str]:
        """The output for each text. Raises InputError: a language model, an empty text, one longer than the model takes
        (unless `truncate`)."""
        if self.model.encoder is None:
            raise InputError("a language model does not translate; nearest: a translation model")
        return [
            self.tokenizer.decode(
                beam_search(self.model, [self._tokens(text, truncate)], beam=beam, penalty=penalty)[0]
            )
            for text in texts
        ]

    def _tokens(self, text: str, truncate: bool) -> list[int]:
        most, tokens = self.model.settings.max_tokens, self.tokenizer.encode(clean(text))
        if not clean(text):
            raise InputError("an empty sentence cannot be translated; nearest: at least one word")
        if len(tokens) > most and not truncate:
            words = len(text.split())
            raise InputError(
                f"a sentence of {words} words is {len(tokens)} tokens, the model takes {most}; nearest: --truncate"
            )
        return tokens if len(tokens) <= most else [*tokens[: most - 1], tokens[-1]]


def load_ready(folder: str | Path) -> Ready:
    """The model of a folder, compressed or not. Raises InputError: none, damaged, the tokenizer of another model."""
    place = Path(folder)
    if not (place / COMPRESSED).exists() or (place / MODEL).exists():
        return Ready(*load_model(place))
    from models.compress.file import read_compressed

    packed, about = read_compressed(place / COMPRESSED)
    try:
        tensors = {name: torch.from_numpy(one.unpack().copy()) for name, one in packed.items()}
    except (ValueError, KeyError, IndexError) as error:
        raise InputError(f"{place / COMPRESSED} is damaged: {error}") from None
    return Ready(build(about, tensors, place / COMPRESSED), matching_tokenizer(place, about), str(about["task"]))
