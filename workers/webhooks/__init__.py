"""Webhooks on their way: no torch."""
