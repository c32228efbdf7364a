"""Adds one to each weight."""
