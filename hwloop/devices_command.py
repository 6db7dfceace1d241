"""`hwloop devices`: the device profiles that ship, what each was fitted on, and its error there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hwloop.json_output import deliver, json_option

if TYPE_CHECKING:
    from sim.mobile_cost.profile import DeviceProfile


@click.command()
@json_option
def devices(json_path: str | None) -> None:
    """List the devices that networks can be priced on.

    Try: hwloop predict zoo/mobilenet_v2 --device note10
    """
    listed = list_devices()
    deliver(listed, json_path, lambda: _show(listed))


def list_devices() -> dict[str, Any]:
    """All shipped profiles as plain values, without their coefficients."""
    from sim.mobile_cost.devices import load_device, names

    return {"schema": "hwloop.devices/1", "devices": [describe(load_device(name)) for name in names()]}


def describe(profile: DeviceProfile) -> dict[str, Any]:
    """What a profile says about itself: mape and energy_mape in %, within_10 a share; None where not known."""
    return {
        **profile.model_dump(include=_SAID),
        "has_energy": profile.energy is not None,
        "has_interval": profile.interval is not None,
        "fitted_on": [one.model_dump() for one in profile.fitted_on],
    }


_SAID = {"name", "description", "runtime", "label", "date", "batch_sizes", "dtypes", "threads", "unsupported_classes"}


def _show(listed: dict[str, Any]) -> None:
    from analysis.oracle_table import render_devices

    click.echo(render_devices(listed), nl=False)
