"""Programs that feed mutated input to what reads untrusted bytes; run by hand, not by pytest."""
