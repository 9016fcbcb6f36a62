"""Searches of large galleries, beside what else could answer them."""
