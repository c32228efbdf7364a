"""Bundles, to be watched (``python -m demo``): an agent is frozen in one process and finished in another."""
