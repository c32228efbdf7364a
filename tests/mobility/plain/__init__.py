"""What the plain codec promises: exact round trips, refusals that say where, and only plain data from any bytes."""
