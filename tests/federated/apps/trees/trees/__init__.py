"""trees: a Flower / XGBoost app."""
