"""Package descriptions of Debian and their translations (DDTP), fetched by apt into a folder of our own.

No root, no change to the system: apt gets its own lists, cache and source list. Needs a Debian or Ubuntu host. The
licence of the text is not stated in the index, so it is fetched by the user and never shipped.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sim.errors import InputError
from sim.files import cache_root

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_TIMEOUT_S = 900


@dataclass(frozen=True)
class Description:
    """One package: name of its source, synopsis and paragraphs in English, and in the other language if translated."""

    source: str
    package: str
    synopsis: str
    text: str
    translated_synopsis: str = ""
    translated_text: str = ""


def fetch(mirror: str, suite: str, language: str) -> dict[str, Path]:
    """The index files: ``packages``, ``english`` and ``translated``; fetched if they are not in the cache.

    Raises InputError where apt is missing or the mirror does not answer.
    """
    folder = cache_root() / "text" / "ddtp" / f"{suite}-{hashlib.sha256(mirror.encode()).hexdigest()[:8]}-{language}"
    found = _found(folder / "lists", suite, language)
    if len(found) == 3:
        return found
    if shutil.which("apt-get") is None:
        raise InputError("no apt-get here to fetch package descriptions; nearest: data.source = 'gettext' or 'files'")
    for part in ("lists/partial", "cache/archives/partial", "state"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "state" / "status").touch()
    signed = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    (folder / "sources.list").write_text(f"deb {signed}{mirror} {suite} main\n", encoding="utf-8")
    ran = subprocess.run(_command(folder, language), capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    found = _found(folder / "lists", suite, language)
    if len(found) < 3:
        said = [line for line in (ran.stderr + ran.stdout).splitlines() if line.startswith(("E:", "W:", "Err:"))]
        reason = said[0] if said else f"no index for language {language!r}"
        raise InputError(f"apt fetched no descriptions from {mirror} {suite}: {reason}; nearest: data.source = 'files'")
    return found


def _command(folder: Path, language: str) -> list[str]:
    options = {
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "state" / "status",
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Acquire::Languages": f"{language},en",
        "Acquire::GzipIndexes": "false",
        "APT::Architecture": "amd64",
        "APT::Update::Post-Invoke": "",
    }
    return ["apt-get", "-q", *(part for key, value in options.items() for part in ("-o", f"{key}={value}")), "update"]


def _found(lists: Path, suite: str, language: str) -> dict[str, Path]:
    ends = {
        "packages": f"_{suite}_main_binary-amd64_Packages",
        "english": f"_{suite}_main_i18n_Translation-en",
        "translated": f"_{suite}_main_i18n_Translation-{language}",
    }
    hits = {name: next(iter(sorted(lists.glob(f"*{end}"))), None) for name, end in ends.items()}
    return {name: path for name, path in hits.items() if path is not None and path.stat().st_size}


def read(files: dict[str, Path], language: str) -> list[Description]:
    """All descriptions, joined on the hash of the English text, in order of source and package. Raises InputError."""
    sources = {one["Package"]: one.get("Source", one["Package"]).split(" ")[0] for one in _stanzas(files["packages"])}
    other = {}
    for one in _stanzas(files["translated"]):
        if f"Description-{language}" in one:
            other[one["Description-md5"]] = _parts(one[f"Description-{language}"])
    seen: dict[str, Description] = {}
    for one in _stanzas(files["english"]):
        package, key = one["Package"], one["Description-md5"]
        synopsis, text = _parts(one.get("Description-en", ""))
        made = Description(sources.get(package, package), package, synopsis, text, *other.get(key, ("", "")))
        if key not in seen or (made.source, package) < (seen[key].source, seen[key].package):
            seen[key] = made
    if not seen:
        raise InputError(f"no descriptions in {files['english']}; nearest: delete it and run again")
    return sorted(seen.values(), key=lambda one: (one.source, one.package))


def _stanzas(path: Path) -> Iterator[dict[str, str]]:
    from debian.deb822 import Deb822

    try:
        with path.open(encoding="utf-8") as file:
            for one in Deb822.iter_paragraphs(file, use_apt_pkg=False):
                yield dict(one)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from None


def _parts(field: str) -> tuple[str, str]:
    """Synopsis, and the rest without the first column of each line."""
    first, _, rest = field.partition("\n")
    return clean(first), "\n".join(line[1:] for line in rest.splitlines())


def clean(text: str) -> str:
    """One space between words, plain apostrophes, no spaces that do not break."""
    return " ".join(text.replace("’", "'").replace("­", "").split())


def paragraphs(text: str) -> list[list[str]]:
    """Paragraphs as lists of items: a paragraph of running text is one item, a list has one for each bullet."""
    result: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.strip() == ".":
            result.append([])
        elif not result[-1] or re.match(r"\s|[*o•+-]\s", line):
            result[-1].append(line)
        else:
            result[-1][-1] += " " + line
    items = [[clean(re.sub(r"^\s*([*o•+-]\s+)?", "", item)) for item in paragraph] for paragraph in result]
    return [kept for paragraph in items if (kept := [item for item in paragraph if item])]


def sentences(text: str) -> list[str]:
    """Split after a full stop, question or exclamation mark before a capital."""
    return re.split(r"(?<=[.!?])\s+(?=[A-ZÀ-Ý«\"(])", text)
