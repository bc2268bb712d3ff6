"""Reading corpora in the layouts that matting data sets come in, and checking what was read."""
