"""Fast operations under the networks, for CPU and CUDA."""
