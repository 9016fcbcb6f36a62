"""A finished video job as people read it: a table, and a page with a timeline per person."""
