"""The small C++ program around Armadillo: compiled when first needed, kept in the user's cache directory.

One program for each source, compiler, set of flags and processor, since it is built for the processor at hand. Only
headers of Armadillo are needed; what it would take from BLAS and LAPACK is left out, sparse products use neither.
Compilers look for headers where ``CPLUS_INCLUDE_PATH`` says, too.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import shutil
import subprocess
from pathlib import Path

from benchmarks.suitesparse.libraries.library import UnavailableError

FLAGS: tuple[str, ...] = (
    "-std=c++17",
    "-O3",
    "-march=native",
    "-DNDEBUG",
    "-DARMA_DONT_USE_WRAPPER",
    "-DARMA_DONT_USE_BLAS",
)
FLAGS += ("-DARMA_DONT_USE_LAPACK", "-DARMA_DONT_USE_ARPACK", "-DARMA_DONT_USE_SUPERLU", "-DARMA_DONT_USE_HDF5")
SOURCE = Path(__file__).with_name("armadillo.cpp")
_INSTALL = "install Armadillo's headers (Debian and Ubuntu: libarmadillo-dev) and g++"


def compiler() -> str | None:
    """The C++ compiler: of the variable CXX, else the first of g++, clang++, c++; None without one."""
    named = os.environ.get("CXX")
    return shutil.which(named) if named else next(filter(None, map(shutil.which, ("g++", "clang++", "c++"))), None)


@functools.cache
def available() -> str | None:
    """None where compiler and headers are here, else what is missing. Asks the compiler once."""
    found = compiler()
    if found is None:
        return f"no C++ compiler; {_INSTALL}"
    probe = "#if !__has_include(<armadillo>)\n#error\n#endif\n"
    try:
        command = [found, "-fsyntax-only", "-x", "c++", "-"]
        ran = subprocess.run(command, input=probe, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        return f"the compiler {found} cannot be run: {error}"
    return f"Armadillo's headers were not found; {_INSTALL}" if ran.returncode else None


def cache_folder() -> Path:
    """Where built programs are kept; it need not exist yet."""
    from sim.files import cache_root

    return cache_root() / "armadillo"


def build() -> Path:
    """The program, built unless it is there already. Raises UnavailableError with the compiler's first complaint."""
    found = compiler()
    if found is None:
        raise UnavailableError(f"no C++ compiler; {_INSTALL}")
    program = cache_folder() / f"spgemm-{_state(found)}"
    if program.is_file():
        return program
    fresh = program.with_name(f".{os.getpid()}.{program.name}")
    try:
        program.parent.mkdir(parents=True, exist_ok=True)
        command = [found, *FLAGS, "-o", str(fresh), str(SOURCE)]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if ran.returncode:
            faults = [line for line in ran.stderr.splitlines() if "error" in line] or ["no message"]
            raise UnavailableError(f"the Armadillo program could not be built: {faults[0][:200]}")
        os.replace(fresh, program)
    except (OSError, subprocess.SubprocessError) as error:
        raise UnavailableError(f"the Armadillo program could not be built: {error}") from None
    finally:
        fresh.unlink(missing_ok=True)
    return program


def compiler_version() -> str:
    """First line of what the compiler says about itself."""
    found = compiler()
    if found is None:
        return "no compiler"
    ran = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=60)
    return ran.stdout.splitlines()[0] if ran.stdout else found


def _state(found: str) -> str:
    from benchmarks.suitesparse.libraries.machine import cpu_name

    where = (os.environ.get("CPLUS_INCLUDE_PATH", ""), found, compiler_version(), *FLAGS, platform.machine())
    text = "\0".join((*where, cpu_name()))
    return hashlib.sha256(text.encode() + SOURCE.read_bytes()).hexdigest()[:16]
