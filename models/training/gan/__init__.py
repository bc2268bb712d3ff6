"""Training of StyleMatteGAN."""
