"""Training runs: what is ordered, its stages and records, and when a domain is trained again."""
