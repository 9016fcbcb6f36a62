"""Postgres: the only room that speaks SQL. It knows no pixels and no HTTP."""
