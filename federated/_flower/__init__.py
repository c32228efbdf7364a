"""All that knows Flower: its app format, its records, its ServerApp and ClientApp, each behind plain data.

What of Flower is private, and may change with any version, is named in `private` alone.
"""

__all__: list[str] = []
