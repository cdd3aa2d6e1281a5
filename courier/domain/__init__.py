"""Decides: plain Python without SQL, HTTP, clock, randomness or network."""
