"""Webhooks: what is to be sent to whom, and which addresses may be reached."""
