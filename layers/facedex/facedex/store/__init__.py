"""Postgres: the only room that contains SQL. It knows no pixels and no HTTP."""
