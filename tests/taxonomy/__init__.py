"""The vocabulary of code mobility: a test for each cell of its tables, on real nodes of Ray."""
