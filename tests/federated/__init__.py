"""Federated learning: what owners decide, and what is written down."""
