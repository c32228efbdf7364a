"""All that knows Flower: its app format, its records, its ServerApp and ClientApp, each behind plain data.

What of Flower is private, and may change with any version, is named in `private` alone.
"""

import os

# Before the first import of Flower, which would tell its makers of each run.
os.environ["FLWR_TELEMETRY_ENABLED"] = "0"

__all__: list[str] = []
