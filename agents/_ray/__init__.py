"""All that knows Ray: how one is found and watched, and what runs on it. Nothing else in this distribution imports it.

Nobody outside imports this package when a program starts: importing Ray takes a third of a second.
"""

from agents._ray._quiet import hush_advice

__all__: list[str] = []

hush_advice()  # before any module here imports Ray
