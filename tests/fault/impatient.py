"""Settings of a stack that does again within seconds what it finds missing."""

IMPATIENT = {
    "MATTEFORGE_LEASE_TTL_S": "4",
    "MATTEFORGE_LEASE_RENEW_S": "1",
    "MATTEFORGE_RECONCILE_EVERY_S": "1",
    "MATTEFORGE_RING_STALE_S": "3",
    "MATTEFORGE_BATCH_SIZE": "4",
}
