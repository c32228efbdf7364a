"""What every implementation of a seam must do: one class for each, from which a test module derives its own.

A module gives the fixture that the class names, and gets all its tests.
"""
