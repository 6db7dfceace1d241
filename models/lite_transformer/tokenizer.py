"""Joint byte-level BPE of both languages, by the `tokenizers` library.

Any text is representable, since the alphabet is bytes. A tokenizer has a fingerprint, which a model keeps: numbers
from another tokenizer would be nonsense without an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from models.lite_transformer.model import END
from sim.cache import fingerprint
from sim.errors import InputError
from sim.files import write_text

SPECIAL = ["<pad>", "<s>", "</s>", "<unk>"]


class Tokenizer:
    """Text to token numbers and back."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    @classmethod
    def train(cls, texts: Iterable[str], vocabulary: int) -> Tokenizer:
        """Learn merges from `texts`. Small texts give fewer than `vocabulary` tokens. Raises InputError."""
        from tokenizers import Tokenizer as Inner
        from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

        if vocabulary < 256 + len(SPECIAL):
            raise InputError(f"vocabulary = {vocabulary} has no room for 256 bytes; nearest: {256 + len(SPECIAL)}")
        inner = Inner(models.BPE(unk_token=SPECIAL[3]))
        inner.normalizer = normalizers.NFC()
        inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        inner.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=vocabulary, special_tokens=SPECIAL, initial_alphabet=sorted(alphabet), show_progress=False
        )
        inner.train_from_iterator(texts, trainer)
        return cls(inner)

    @classmethod
    def load(cls, path: str | Path) -> Tokenizer:
        """Read ``tokenizer.json``. Raises InputError for a file that is none."""
        from tokenizers import Tokenizer as Inner

        try:
            made = cls(Inner.from_str(Path(path).read_text(encoding="utf-8")))
        except OSError as error:
            raise InputError(f"cannot read tokenizer {path}: {error.strerror}") from None
        except Exception as error:  # the library raises plain Exception
            raise InputError(f"{path} is no tokenizer: {str(error).splitlines()[0]}") from None
        if [made._inner.token_to_id(name) for name in SPECIAL] != list(range(len(SPECIAL))):
            raise InputError(f"{path} is a tokenizer of another kind: it lacks {', '.join(SPECIAL)}")
        return made

    def save(self, path: str | Path) -> None:
        """Write it as JSON, atomically."""
        write_text(path, self._inner.to_str())

    @property
    def size(self) -> int:
        """Number of tokens."""
        return int(self._inner.get_vocab_size())

    @property
    def fingerprint(self) -> str:
        """Hash of everything that it does."""
        return fingerprint(self._inner.to_str())

    def encode(self, text: str) -> list[int]:
        """Token numbers and the end mark."""
        return [*self._inner.encode(text, add_special_tokens=False).ids, END]

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """As `encode`, for many."""
        return [[*one.ids, END] for one in self._inner.encode_batch(list(texts), add_special_tokens=False)]

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of token numbers, marks left out."""
        return str(self._inner.decode([one for one in tokens if one >= len(SPECIAL)])).strip()
