"""The `matteforge` command."""
