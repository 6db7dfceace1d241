"""Edge devices as oracles: one physical cost model, fitted to measurements, with an error bar.

Measurements come in as `tables.Measurements` (the canonical table, or a converter), `calibrate.calibrate` makes a
`profile.DeviceProfile`, `oracle.DeviceOracle` answers `sim.oracle.Oracle` with it, `few_shot` adapts known devices to
a new one, and `validate.validate` says how good all this is on networks that were not fitted.
"""
