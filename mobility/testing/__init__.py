"""What a test of moving code needs, shipped so that programs built on this package can test theirs the same way."""

from mobility.testing.interpreters import Interpreter, found

__all__ = ["Interpreter", "found"]
