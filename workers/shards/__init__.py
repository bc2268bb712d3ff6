"""Shards as bytes: pictures, tars, and committing them once."""
