"""What lies beside the shards of a dataset that has ended: files by which it explains itself."""
