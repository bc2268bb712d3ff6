"""What is measured of mattes and of generated pictures."""
