"""All that knows Ray: how one is found and watched, and what runs on it. Nothing else in this distribution imports it.

Nobody outside imports this package when a program starts: importing Ray takes a third of a second.
"""

__all__: list[str] = []
