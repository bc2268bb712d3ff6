"""Corpora and the cycle: both networks taught by each other, and the gate that lets only what is
better pass."""
