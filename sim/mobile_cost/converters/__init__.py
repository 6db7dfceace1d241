"""One small module for each layout of published measurements: files in, `sim.mobile_cost.tables.Measurements` out."""
