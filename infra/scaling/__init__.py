"""What galleries of any size need, computed from measured figures for docs/scale.md."""
