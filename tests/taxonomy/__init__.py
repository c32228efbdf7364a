"""The whole vocabulary of code mobility, cell by cell, on real clusters."""
