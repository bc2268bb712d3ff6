"""The REST API. Never imports torch, models or workers."""
