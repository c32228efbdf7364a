"""Agents: units of running code that visit places.

This package will hold the platform: places that admit and host agents, the directory that knows where each agent is,
the handoff protocol by which one moves, handles, mailboxes, itineraries and the command line. It is empty in this
version; what a moving agent is made of is already in :mod:`mobility`.
"""

__all__: list[str] = []
