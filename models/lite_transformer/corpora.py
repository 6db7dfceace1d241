"""From text to pairs: aligned sentences, synopses, paragraphs, each with the group that no split may cut through."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from models.lite_transformer.ddtp import Description, clean, paragraphs, sentences
from sim.errors import InputError

Pair = tuple[str, str, str]
"""Group, source, target. A language model has an empty source."""

FEWEST, MOST = 3, 40


def translations(descriptions: Iterable[Description]) -> list[Pair]:
    """Sentence pairs of 3 to 40 words a side, where paragraphs and sentences of both sides match in number; none
    copied, and none whose template (names, capitals and digits as #) comes twice, since those flatter a score."""
    found: dict[tuple[str, str], str] = {}
    for one in descriptions:
        if one.translated_synopsis:
            for english, other in _aligned(one):
                found.setdefault((english, other), one.source)
    templates = Counter(_template(english) for english, _ in found)
    return [
        (group, english, other)
        for (english, other), group in found.items()
        if english != other and _fits(english) and _fits(other) and templates[_template(english)] == 1
    ]


def _aligned(one: Description) -> Iterator[tuple[str, str]]:
    yield one.synopsis, one.translated_synopsis
    english, other = paragraphs(one.text), paragraphs(one.translated_text)
    if len(english) != len(other):
        return
    for left, right in zip(english, other, strict=True):
        if len(left) != len(right):
            continue
        for left_item, right_item in zip(left, right, strict=True):
            left_parts, right_parts = sentences(left_item), sentences(right_item)
            same = len(left_parts) == len(right_parts)
            yield from zip(left_parts, right_parts, strict=True) if same else [(left_item, right_item)]


def _fits(text: str) -> bool:
    return FEWEST <= len(text.split()) <= MOST


def _template(text: str) -> str:
    return re.sub(r"\S*[A-Z0-9_]\S*", "#", text)


def language(descriptions: Iterable[Description]) -> list[Pair]:
    """Paragraphs of English text, each once."""
    found: dict[str, str] = {}
    for one in descriptions:
        for paragraph in paragraphs(one.text):
            text = " ".join(paragraph)
            if len(text.split()) >= FEWEST:
                found.setdefault(text, one.source)
    return [(group, "", text) for text, group in found.items()]


def summaries(descriptions: Iterable[Description]) -> list[Pair]:
    """Whole English description to synopsis; each synopsis and each description once."""
    found: dict[str, Pair] = {}
    texts: set[str] = set()
    for one in descriptions:
        text = " ".join(item for paragraph in paragraphs(one.text) for item in paragraph)
        if len(text.split()) >= 10 and len(one.synopsis.split()) >= FEWEST and text not in texts:
            texts.add(text)
            found.setdefault(one.synopsis, (one.source, text, one.synopsis))
    return list(found.values())


def from_files(source: str, target: str) -> list[Pair]:
    """Two files, sentence by sentence; without `source`, target text alone. Raises InputError: missing, empty, not
    UTF-8, different numbers of lines."""
    if not target:
        raise InputError("data.source = 'files' needs data.target_file; nearest: data.source = 'ddtp'")
    right = _lines(target)
    left = _lines(source) if source else [""] * len(right)
    if len(left) != len(right):
        raise InputError(
            f"{source} has {len(left)} lines, {target} has {len(right)}: parallel files have as many lines"
        )
    pairs = [(one or two, one, two) for one, two in zip(left, right, strict=True) if two and (one or not source)]
    if not pairs:
        raise InputError(f"no line of {target} has text on both sides; nearest: one sentence a line")
    return pairs


def _lines(path: str) -> list[str]:
    try:
        raw = Path(path).read_bytes()
        text = raw.decode("utf-8")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path} is not UTF-8: byte {raw[error.start]:#04x} in line {line}") from None
    if not text.strip():
        raise InputError(f"{path} is empty; nearest: one sentence a line")
    return [clean(line) for line in text.removesuffix("\n").split("\n")]


def from_gettext(folder: str, language_code: str) -> list[Pair]:
    """Messages of installed programs: catalogues ``<language>/LC_MESSAGES/*`` below `folder`, by default those of the
    system, else of this Python. The group is the catalogue. Raises InputError where there are none."""
    import sysconfig

    import polib  # type: ignore[import-untyped]

    roots = [Path(folder)] if folder else [Path("/usr/share/locale"), Path(sysconfig.get_path("purelib"))]
    for root in roots:  # the second one is only walked through where the first has nothing
        found: dict[tuple[str, str], str] = {}
        for path in sorted(root.glob(f"**/{language_code}/LC_MESSAGES/*.[mp]o")):
            try:
                catalogue = (polib.mofile if path.suffix == ".mo" else polib.pofile)(str(path))
            except (OSError, UnicodeDecodeError, ValueError):
                continue  # one that cannot be read, among hundreds
            for entry in catalogue:
                if entry.msgstr and not getattr(entry, "fuzzy", False):  # compiled catalogues hold none
                    found.setdefault((_plain(entry.msgid), _plain(entry.msgstr)), path.stem)
        pairs = [(group, one, two) for (one, two), group in found.items() if one != two and _fits(one) and _fits(two)]
        if pairs:
            return pairs
    raise InputError(f"no {language_code} catalogues below {', '.join(map(str, roots))}; nearest: data.folder")


def _plain(text: str) -> str:
    return clean(re.sub(r"<[^>]*>|[_&](?=\w)", "", text))


_NOUNS = [
    "cat chat m",
    "dog chien m",
    "house maison f",
    "car voiture f",
    "book livre m",
    "table table f",
    "bird oiseau m",
]
_ADJECTIVES = ["red rouge rouge", "small petit petite", "green vert verte", "big grand grande", "sad triste triste"]
_VERBS = ["sees voit", "finds trouve", "wants veut", "takes prend", "paints peint"]


def generated(count: int = 3000, seed: int = 0) -> list[Pair]:
    """Sentences of a toy grammar in English and French with gender and word order: for tests, no result is of it."""
    draw = random.Random(seed)
    pairs: dict[str, Pair] = {}
    while len(pairs) < count:
        (one, un), verb, (two, deux) = _phrase(draw), draw.choice(_VERBS).split(), _phrase(draw)
        english = f"{one} {verb[0]} {two}"
        pairs[english] = (english, f"{english} .", f"{un} {verb[1]} {deux} .")
    return list(pairs.values())


def _phrase(draw: random.Random) -> tuple[str, str]:
    noun, name, gender = draw.choice(_NOUNS).split()
    adjective, masculine, feminine = draw.choice(_ADJECTIVES).split()
    definite = draw.random() < 0.5
    article = ("la" if gender == "f" else "le") if definite else ("une" if gender == "f" else "un")
    if name[0] in "aeiou" and definite:
        article = "l'"
    joined = f"{article}{name}" if article == "l'" else f"{article} {name}"
    return f"{'the' if definite else 'a'} {adjective} {noun}", f"{joined} {masculine if gender == 'm' else feminine}"
