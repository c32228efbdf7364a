"""One test for each cell of the taxonomy of code mobility, on a real Ray cluster."""
