"""What is around the person: scene, camera, light, background."""
