"""The vocabulary of code mobility, cell by cell: each test is named after its cell, and runs on real Ray nodes."""
