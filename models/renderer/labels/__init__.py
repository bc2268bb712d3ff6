"""Ground truth of a rendered picture, and its quality control."""
