"""Wire schemas: what an order may say and what the REST API answers."""
