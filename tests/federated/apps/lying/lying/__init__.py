"""lying: a Flower app whose server lies."""
