"""Federated learning by moving the code to the data.

This package will hold what lets a Flower app run where a data set lies: the app as a signed bundle, the owner's policy
on what may run and what may leave, the rounds that survive a lost server, and the record of both. It is empty in this
version.
"""

__all__: list[str] = []
