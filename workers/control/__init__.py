"""The control worker: compares what was ordered with what is there. No torch."""
