"""Wire schemas of the REST API."""
