"""Training configurations that ship, by name."""
