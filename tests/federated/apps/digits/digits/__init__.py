"""digits: a Flower / sklearn app."""
