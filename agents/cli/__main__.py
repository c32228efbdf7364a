"""``python -m agents.cli``: the command line where no ``sojourn`` has been installed."""

from agents.cli import main

main()
