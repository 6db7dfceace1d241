"""Pictures from package registries: fetched once, checked against a SHA-256, kept in the cache."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sim.errors import InputError
from sim.files import cache_root


@dataclass(frozen=True)
class Package:
    """A package of the npm registry: its tarball, and the hash of that."""

    name: str
    version: str
    sha256: str
    licence: str

    @property
    def url(self) -> str:
        """Where the tarball is."""
        return f"https://registry.npmjs.org/{self.name}/-/{self.name}-{self.version}.tgz"


NOTO = Package(
    "emoji-datasource-google",
    "16.0.0",
    "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438",
    "Apache-2.0 (drawings)",
)
TWEMOJI = Package(
    "emoji-datasource-twitter",
    "16.0.0",
    "f64a530c63bca463bd8317fdc4615ce63a53a0c65018e4ce2d848aaba7a28877",
    "CC BY 4.0 (drawings)",
)
GROUPS = Package(
    "unicode-emoji-json", "0.8.0", "1ff55192e88e1d5c6706b28ae95f0b26370a0e79f05ff86bcbed6b9e5d7ea244", "MIT"
)


def fetch(package: Package) -> Path:
    """The tarball. Raises InputError: offline, or not the bytes that were expected."""
    import pooch  # type: ignore[import-untyped]
    import requests

    folder = cache_root() / "packages"
    pooch.get_logger().setLevel("WARNING")
    try:
        found = pooch.retrieve(package.url, f"sha256:{package.sha256}", f"{package.name}-{package.version}.tgz", folder)
    except (requests.RequestException, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"cannot fetch {package.url}: {reason}; or put the file into {str(folder)!r}") from None
    return Path(found)


def members(package: Package, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Name and content of the files in a package whose names are wanted, in order."""
    with tarfile.open(fetch(package), "r:gz") as archive:
        for one in archive:
            name = one.name.removeprefix("package/")
            if one.isfile() and wanted(name):
                file = archive.extractfile(one)
                assert file is not None
                yield name, file.read()
