"""The text of a task in three splits that share no source package: training, validation and test (unseen)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from models.lite_transformer import corpora, ddtp
from models.lite_transformer.config import Config
from sim.cache import fingerprint
from sim.errors import ConfigError, InputError

TEST_SHARE, VALID_SHARE = 0.04, 0.03


@dataclass(frozen=True)
class Text:
    """Pairs (source, target) of each split; sources are empty for a language model. digest: of all the pairs, in order.
    indexes: SHA-256 of the files that they come from."""

    train: list[tuple[str, str]]
    valid: list[tuple[str, str]]
    test: list[tuple[str, str]]
    digest: str
    indexes: dict[str, str] = field(default_factory=dict)

    def summary(self) -> dict[str, object]:
        """What a record holds of it."""
        sizes = {name: len(getattr(self, name)) for name in ("train", "valid", "test")}
        words = sum(len(target.split()) for _, target in self.train)
        return {**sizes, "train_target_words": words, "digest": self.digest, "indexes": self.indexes}


def load_text(config: Config) -> Text:
    """Read, fetch or make the text of `config`. Raises InputError, ConfigError."""
    data, indexes = config.data, {}
    if data.source == "ddtp":
        found = ddtp.fetch(data.mirror, data.suite, data.language)
        indexes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found.values()}
        makers = {"translation": corpora.translations, "language-model": corpora.language, "summary": corpora.summaries}
        pairs = makers[config.task](ddtp.read(found, data.language))
    elif data.source == "files":
        if config.task != "language-model" and not data.source_file:
            raise ConfigError(f"data.source_file = '': task {config.task!r} needs source text")
        pairs = corpora.from_files(data.source_file, data.target_file)
    elif data.source == "gettext":
        if config.task == "summary":
            raise ConfigError("data.source = 'gettext': messages have no summaries; nearest: 'ddtp'")
        pairs = corpora.from_gettext(data.folder, data.language)
    else:
        pairs = corpora.generated()
    if config.task == "language-model":
        pairs = [(group, "", target) for group, _, target in pairs]
    return split(pairs, data.split_seed, data.sentences, indexes)


def split(pairs: Sequence[corpora.Pair], seed: int, most: int = 0, indexes: dict[str, str] | None = None) -> Text:
    """Three splits by the hash of the group; at most `most` training pairs (0: all). Raises InputError where a split
    would be empty."""
    parts: dict[str, list[tuple[str, str]]] = {"train": [], "valid": [], "test": []}
    for group, source, target in pairs:
        drawn = int.from_bytes(hashlib.sha256(f"{seed}:{group}".encode()).digest()[:8], "big") / 2**64
        part = "test" if drawn < TEST_SHARE else "valid" if drawn < TEST_SHARE + VALID_SHARE else "train"
        parts[part].append((source, target))
    if most:
        parts["train"] = parts["train"][:: max(1, len(parts["train"]) // most)][:most]
    empty = [name for name, found in parts.items() if not found]
    if empty:
        raise InputError(
            f"{len(pairs)} pairs are too few: the {empty[0]} split is empty; nearest: 200 sentences or more"
        )
    return Text(**parts, digest=fingerprint(parts), indexes=indexes or {})
