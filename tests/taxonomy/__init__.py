"""The cells of the tables of code mobility, each exercised on a real Ray cluster under its name."""
