"""Training of StyleMatte."""
