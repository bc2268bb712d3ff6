"""What is ordered and delivered: specs, plans, samples, manifests, and their records in S3."""
