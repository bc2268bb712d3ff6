"""Celery workers: make shards, keep the books, train."""
