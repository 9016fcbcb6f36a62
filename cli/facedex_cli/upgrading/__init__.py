"""Upgrades of collections to another model pack."""
