"""Attributes of faces: thirty landmarks, age, gender, expression, eyes, glasses and others."""
