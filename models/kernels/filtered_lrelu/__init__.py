"""The filtered leaky relu of StyleGAN3 (arXiv 2106.12423, section 3.2), fused."""
