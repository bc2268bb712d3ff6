"""Endpoints, one module a resource: thin shells around service.datasets and core."""
