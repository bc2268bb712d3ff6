"""Training programs for both networks."""
