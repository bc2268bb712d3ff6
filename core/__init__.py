"""Domain records, wire schemas, ports, adapters and settings. No torch, no web framework."""
