"""Generator functions that between them use every construct that `resumable` has a rule for.

Each module is loaded twice by the driver: as it stands, and once more from the same source with `resumable` doing
nothing, to compare with. The code is deliberately odd; each function puts yields where one construct could lose them.
"""
