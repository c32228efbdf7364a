"""The commands of ``sojourn fl``."""
