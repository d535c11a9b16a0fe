"""Hostile bytes for everything that reads bytes: mutations, guard pages, the twin as judge."""
