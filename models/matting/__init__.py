"""StyleMatte: an image in, its alpha out (arXiv 2305.02981, section 3.1)."""
