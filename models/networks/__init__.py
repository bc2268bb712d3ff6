"""The networks: StyleMatteGAN's generator and discriminator, StyleMatte, frozen features, and their
checkpoints."""
