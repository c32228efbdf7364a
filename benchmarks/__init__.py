"""Measurements against named floors; see README.md."""
