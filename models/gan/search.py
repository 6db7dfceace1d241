"""Generators as a space to search, scored by a trained supernet: `models.search` on channel configurations.

A score is the KID, or the PSNR, of what the sub-network makes of images that were held out of training, so every
evaluation is dear: it is kept in a `ResultCache`, and a search that was killed repeats none. Costs come from an oracle.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from models.gan import quality
from models.gan.adapter import Adapter
from models.gan.extractor import Extractor, Floats, load_extractor
from models.gan.family import ResNetFamily, SpadeFamily
from models.gan.generators import BLOCKS
from models.gan.lowering import PieceTable
from models.gan.runs import is_run, run_folder
from models.gan.space import SPACES
from models.gan.space import space as released
from models.gan.stage import load_part
from models.gan.supernet import Supernet
from models.gan.train import SUPERNET, Compression, images_of, translate
from models.gan.train_config import TrainConfig
from models.ofa.train_state import load_tensors
from models.search.choices import Array, ChoiceSpace
from models.search.objective import DearObjective, Objective
from sim.cache import ResultCache, fingerprint
from sim.errors import ConfigError, InputError, nearest
from sim.settings import validate_config
from sim.workload import Context, WorkloadBatch

if TYPE_CHECKING:
    from models.gan.deliver import Delivery

MEASURES = {"kid": True, "frechet": True, "psnr_db": False, "ssim": False, "l1": True}
"""What a network can be scored by, and whether less is better."""


class GanSpace(ChoiceSpace):
    """The channel configurations of a family, at its image size."""

    def __init__(self, generators: ResNetFamily | SpadeFamily | Adapter) -> None:
        super().__init__(generators.space.name, generators.space.choices)
        self.generators = generators
        self._tables: dict[tuple[tuple[str, ...], Context], PieceTable] = {}

    @property
    def fingerprint(self) -> str:
        """Hash of choices and family."""
        kind = "adapter" if isinstance(self.generators, Adapter) else repr(self.generators)
        return fingerprint(super().fingerprint, kind)

    def channels(self, population: Array) -> list[tuple[int, ...]]:
        """The channel configuration of each row."""
        return [tuple(one[place] for one, place in zip(self.choices, row, strict=True)) for row in population.tolist()]

    def lower(self, population: Array, *, fusion: Iterable[str] = (), context: Context | None = None) -> WorkloadBatch:
        """What the networks ask of hardware, a row each."""
        key = (tuple(fusion), context or Context())
        if isinstance(self.generators, Adapter):
            from sim.fusion import fuse

            networks = [fuse(self.generators.lower(one), key[0]) for one in self.channels(population)]
            return WorkloadBatch.of(networks).with_context(key[1])
        if key not in self._tables:
            family = self.generators
            self._tables[key] = PieceTable(self.choices, family.spec, family.size, *key)
        return self._tables[key].lower(population)

    def records(self, population: Array) -> list[dict[str, Any]]:
        """``{"channels": [...]}`` for each network."""
        return [{"channels": list(one)} for one in self.channels(population)]

    def of_records(self, records: Sequence[dict[str, Any]]) -> Array:
        """The networks of `records`. Raises InputError naming the position and the nearest choice."""
        found = [self.generators.space.validate(tuple(record.get("channels", ()))) for record in records]
        return super().of_records([{"choices": list(one)} for one in found])


class Scorer:
    """A supernet on the search part of its images: scores of sub-networks, with the weights that they share."""

    def __init__(self, work: Compression, net: Supernet, extractor: Extractor, measure: str = "kid") -> None:
        """Raises ConfigError for an unknown measure, InputError where unpaired images have no truth for it."""
        if measure not in MEASURES:
            raise ConfigError(f"no measure {measure!r}{nearest(measure, MEASURES)}")
        if not work.images.aligned and measure not in ("kid", "frechet"):
            raise InputError(f"{measure} needs pairs, and these images are unpaired; nearest: kid")
        self.work, self.net, self.extractor, self.measure = work, net, extractor, measure

    @functools.cached_property
    def _real(self) -> Floats:
        """Features of the true images, which are the same for all networks."""
        return self.extractor(self.work.images.search.targets)

    def __call__(self, record: dict[str, Any]) -> float:
        """The measure of ``{"channels": [...]}``."""
        return self.score(self.net.export(tuple(record["channels"])))

    def score(self, plain: nn.Module) -> float:
        """The measure of any generator of these images."""
        images = self.work.images
        fake = translate(images, self.work.ready(plain), images.search)
        if self.measure == "kid":
            return quality.kid(self.extractor(fake), self._real)
        if self.measure == "frechet":
            return quality.frechet_distance(self.extractor(fake), self._real)
        paired = {"psnr_db": quality.psnr, "ssim": quality.ssim, "l1": quality.l1}
        return float(paired[self.measure](fake, images.search.targets).mean())

    @property
    def identity(self) -> str:
        """Hash of weights, images, extractor and measure."""
        weights = {name: one.numpy().tobytes().hex() for name, one in self.net.net.state_dict().items()}
        return fingerprint(self.measure, self.extractor.fingerprint, self.work.images.sha256, weights)


class GanObjective(DearObjective[Array]):
    """The scores of a supernet's sub-networks, each evaluated once."""

    def __init__(self, space: GanSpace, scorer: Scorer, cache: ResultCache | None = None) -> None:
        smaller = MEASURES[scorer.measure]
        super().__init__(space, scorer, scorer.identity, name=scorer.measure, smaller=smaller, cache=cache)
        self.scorer = scorer


def objective(space: GanSpace, scorer: Scorer, cache: ResultCache | None = None) -> GanObjective:
    """The objective of a supernet."""
    return GanObjective(space, scorer, cache)


def load_run(folder: Path) -> tuple[Compression, Supernet]:
    """A trained supernet with its images, from the folder of a run. Raises InputError where there is none."""
    file = folder / f"{SUPERNET}.safetensors"
    if not file.is_file():
        raise InputError(f"no trained supernet in {str(folder)!r}; nearest: hwloop train gan --config NAME --out DIR")
    _, note = load_tensors(file)
    config = validate_config(TrainConfig, note["identity"]["settings"])
    images = images_of(config)
    if images.sha256 != note["identity"]["data"]:
        raise InputError(
            f"{str(folder)!r} was trained on other images than {config.data.source!r} holds now; nearest: the package "
            f"versions of constraints.txt"
        )
    work = Compression(config, images, folder, note["identity"]["seed"])
    net = Supernet(work.family)
    load_part(file, "generator", net.net)
    return work, net.eval()


class GanFamily:
    """`gan` as a family to search. A space is a run (its folder, or the name of one that ships), or a released space
    (which can be priced only)."""

    name = "gan"
    default_space = "resnet-channels-32"
    compares_on_host = True
    """Its comparison measures latencies, and is told which devices are this machine."""

    def objective(self, space: str, predictor: str | None) -> Objective[Any]:
        """The quality of the sub-networks of the run `space`. predictor: the extractor's file.

        Raises InputError, ConfigError: no run there, no extractor.
        """
        folder = run_folder(space)
        work, net = load_run(folder)
        file = Path(predictor) if predictor is not None else folder / "extractor.safetensors"
        if not file.is_file():
            raise InputError(f"no feature extractor {str(file)!r}; nearest: --predictor F.safetensors")
        return objective(GanSpace(work.family), Scorer(work, net, load_extractor(file)))

    def space(self, name: str, resolutions: Sequence[int], objective: Objective[Any]) -> GanSpace:
        """The space of the run `name`, or a released one at a side (256 where none is named)."""
        if isinstance(objective, GanObjective) and is_run(name):
            return GanSpace(objective.scorer.work.family)
        if is_run(name):
            return GanSpace(load_run(run_folder(name))[0].family)
        return GanSpace(released_family(name, resolutions[0] if resolutions else 256))

    def delivery(self, space: str, supernet: str | None, data: str | None) -> Delivery:
        """What makes generators of the winners, from the run in folder `space`. Raises InputError, ConfigError."""
        from models.gan.deliver import Delivery

        return Delivery(space, supernet, data)

    def compare(self, study: Any, supernet: str | None, data: str | None, **how: Any) -> dict[str, Any]:
        """Winners under latency against winners under MACs; see `models.gan.compare.compare`. Raises ConfigError."""
        from models.gan.compare import compare

        for option, given in (("--supernet", supernet), ("--data", data)):
            if given is not None:
                raise ConfigError(f"{option} {given} says nothing to gan, whose run has its own; nearest: --space DIR")
        return compare(study, cache=how["cache"], hosts=how["hosts"], progress=how["progress"])


def released_family(name: str, side: int = 256) -> ResNetFamily | SpadeFamily:
    """A released space at an image side; Cityscapes' SPADE is twice as wide as high. Raises InputError."""
    found = released(name)
    if found.family == "resnet":
        return ResNetFamily(found, (side, side), blocks=BLOCKS)
    if found.family == "spade":
        coco = name.endswith("coco")
        return SpadeFamily(found, (side, side if coco else 2 * side), semantic=184 if coco else 36, more=not coco)
    able = [one.name for one in SPACES.values() if one.family != "munit"]
    raise InputError(f"{name}: generators of this space are described, not built; nearest: {able[0]}")


def family() -> GanFamily:
    """For the table of families."""
    return GanFamily()
