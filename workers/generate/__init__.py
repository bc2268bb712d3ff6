"""From a plan to a committed shard."""
