"""What is around the subject: scene, camera, light, background."""
