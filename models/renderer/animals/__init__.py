"""Rendered animals: from a spec's numbers to a head and shoulders with fur."""
