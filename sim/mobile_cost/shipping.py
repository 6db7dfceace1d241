"""Makes the profiles that ship with the package from a folder of published measurements.

Which sets each device is fitted on is said here and, with the error of rows left out, in each profile. The
Eyeriss-like accelerator is not fitted: its figures are published ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sim.mobile_cost.calibrate import calibrate
from sim.mobile_cost.converters.folder import load
from sim.mobile_cost.device_model import Component, DeviceModel
from sim.mobile_cost.energy import EnergyModel
from sim.mobile_cost.kernel_model import KernelModel
from sim.mobile_cost.profile import DeviceProfile, FittedOn, tables
from sim.mobile_cost.profiles import profile_of
from sim.mobile_cost.tables import Measurements
from sim.mobile_cost.terms import COMPUTE, LAUNCH, MEMORY, PRIOR, SORT


@dataclass(frozen=True)
class Shipped:
    """A device: its name, what it is, and the (set, device) pairs that it is fitted on."""

    name: str
    description: str
    sets: tuple[tuple[str, str], ...]


_360 = ("hwnasbench360_cifar100", "hwnasbench360_ninapro", "hwnasbench360_darcy")


def _of_360(device: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, device) for name in _360)


DEVICES = (
    Shipped("note10", "Samsung Note10, TF-Lite, one thread", (("note10_ofa_mbv3_w12", "note10"),)),
    Shipped("pixel1", "Google Pixel 1, TF-Lite", (("pixel1_proxyless_mobilenetv2", "pixel1"),)),
    Shipped("pixel4", "Pixel 4, one large core, TF-Lite fp32", (("mobileml_tflite_cnn", "pixel4-1large-float"),)),
    Shipped("pixel4-int8", "Pixel 4, one large core, TF-Lite int8", (("mobileml_tflite_cnn", "pixel4-1large-int8"),)),
    Shipped("raspberry-pi-4", "Raspberry Pi 4, TF-Lite", (("help_nb201", "raspi4"),)),
    Shipped(
        "raspberry-pi-4-torch",
        "Raspberry Pi 4, PyTorch, fitted on transformers only",
        (("hat_wmt14ende", "cpu-raspberrypi"), ("hat_wmt14enfr", "cpu-raspberrypi")),
    ),
    Shipped("raspberry-pi-5-litert", "Raspberry Pi 5, LiteRT, one thread", _of_360("pi5-litert")),
    Shipped("raspberry-pi-5-onnx", "Raspberry Pi 5, ONNX Runtime, one thread", _of_360("pi5-onnx")),
    Shipped("raspberry-pi-5-torch", "Raspberry Pi 5, PyTorch Mobile, one thread", _of_360("pi5-torchmobile")),
    Shipped("pixel-litert", "the Pixel phone of HW-NAS-Bench-360, LiteRT", _of_360("pixel-litert")),
    Shipped("xeon-gold-6226", "Xeon Gold 6226, PyTorch", (("help_nb201", "gold_6226"), ("help_fbnet", "gold_6226"))),
    Shipped(
        "xeon-hat", "a Xeon, PyTorch, transformers", (("hat_wmt14ende", "cpu-xeon"), ("hat_wmt14enfr", "cpu-xeon"))
    ),
    Shipped(
        "titan-xp",
        "NVIDIA Titan Xp, PyTorch, batch 1",
        (("help_nb201", "titanxp_1"), ("help_fbnet", "titanxp_1"), ("help_ofa_mbv3", "titan_xp_1")),
    ),
    Shipped("v100", "NVIDIA V100, PyTorch, batch 1", (("help_ofa_mbv3", "v100_1"),)),
    Shipped("v100-batch64", "NVIDIA V100, PyTorch, batch 64", (("help_ofa_mbv3", "v100_64"),)),
    Shipped("gtx-1080ti", "NVIDIA 1080 Ti, batch 1", (("help_nb201", "1080ti_1"), ("help_fbnet", "1080ti_1"))),
    Shipped("jetson-gpu", "NVIDIA Jetson GPU, batch 1, noisy table", (("jetson_gpu_ofa_mbv3_w12", "jetson-gpu"),)),
    Shipped("zynq-dpu", "Xilinx Zynq DPU, Vitis-AI, int8", (("zynq_dpu_ofa_proxyless", "zynq-dpu"),)),
    Shipped(
        "ultra96-dpu", "Ultra96-v2, DPUCZDX8G B2304 at 200 MHz, int8", (("ultra96_dpu_mbv3_blocks", "ultra96-dpu"),)
    ),
    Shipped(
        "stm32-l4r5",
        "NUCLEO-L4R5ZI, X-CUBE-AI, int8; four networks: anchored, not fitted",
        tuple(("mlperf_tiny_v11", f"nucleo-l4r5zi-x-cube-ai-{version}") for version in ("7.3.0", "8.0.0")),
    ),
    Shipped(
        "stm32-h7a3",
        "NUCLEO-H7A3ZI, X-CUBE-AI, int8; four networks: anchored, not fitted",
        tuple(("mlperf_tiny_v11", f"nucleo-h7a3zi-x-cube-ai-{version}") for version in ("7.3.0", "8.0.0")),
    ),
)
_STEMS = tuple(
    dict.fromkeys(
        name.rpartition("_")[0] if name.startswith("hwnas") else name for one in DEVICES for name, _ in one.sets
    )
)


def build(
    measurements: str | Path,
    out: str | Path,
    *,
    date: str,
    only: Sequence[str] = (),
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> list[DeviceProfile]:
    """Fit every shipped device and write its profile to `out`. Raises InputError where a set is missing."""
    found = {(one.set, one.device): one for one in load(Path(measurements), only=_STEMS)}
    made = []
    for one in DEVICES:
        if only and one.name not in only:
            continue
        sets = [_capped(found[key], seed) for key in one.sets]
        profile = profile_of(one.name, calibrate(sets, seed), sets, description=one.description, date=date)
        profile.save(Path(out) / f"{one.name}.toml")
        made.append(profile)
        say(f"{one.name}: {profile.fitted_on[0].mape} %")
    if not only or "eyeriss-like" in only:
        made.append(eyeriss_like())
        made[-1].save(Path(out) / "eyeriss-like.toml")
    return made


def _capped(data: Measurements, seed: int, most: int = 4000) -> Measurements:
    usable = data.usable()
    return (
        usable
        if len(usable) <= most
        else usable.select(np.sort(np.random.default_rng(seed).permutation(len(usable))[:most]))
    )


def eyeriss_like() -> DeviceProfile:
    """168 processing elements at 200 MHz: time and energy from published figures, nothing fitted.

    AlexNet's convolutions, 666 M MACs, at 34.7 frames/s and 278 mW, give 23.1 GMAC/s and 12 pJ a MAC on the chip;
    DRAM at 8 pJ a bit (LPDDR4) and 1 GB/s.
    """
    peak, bandwidth, launch = 23.1e9, 1.0e9, 1.0e-5
    scale = np.array([1.0 / peak, 1.0 / bandwidth, launch])
    kernel = KernelModel(PRIOR * scale[SORT], overlap=4.0)
    picojoules = np.where(SORT == COMPUTE, 12.0, np.where(SORT == MEMORY, 64.0, 0.0)) * np.where(
        SORT == LAUNCH, 0.0, PRIOR
    )
    energy = EnergyModel(0.0, picojoules * 1e-12)
    model = DeviceModel((Component(kernel),), energy=energy)
    note = "published figures: chip power and frame rate on AlexNet, LPDDR4 energy per bit; no measurement was fitted"
    return DeviceProfile(
        name="eyeriss-like",
        description="row-stationary accelerator with 168 processing elements",
        label="published",
        dtypes=["float16", "int8", "float32"],
        fitted_on=[FittedOn(set="published", networks=0, note=note)],
        **tables(model),
    )
