"""What a person is made of: shape, skin, hair, clothes, pose."""
