"""`matteforge bench`: what the networks and the worker's engine cost here, as ratios measured in
one run."""
