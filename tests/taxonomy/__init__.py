"""Each cell of the tables of code mobility, on real nodes of Ray."""
