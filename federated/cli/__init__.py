"""The commands of ``sojourn fl``."""

__all__: list[str] = []
