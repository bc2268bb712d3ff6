"""Commands of the `matteforge` program that work where the stores are."""
