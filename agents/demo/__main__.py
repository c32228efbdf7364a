"""``python -m agents.demo``."""

import sys

from agents.demo import demonstrate

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(demonstrate())
