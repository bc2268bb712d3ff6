"""`matteforge fsck`: every object in the bucket accounted for, every hash checked again."""
