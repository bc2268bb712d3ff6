"""What stands behind the ports: Redis / Valkey, S3, Celery, and their in-memory twins for tests."""
