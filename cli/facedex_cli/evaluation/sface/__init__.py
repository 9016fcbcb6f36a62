"""What SFace's 8 bits need, measured on photos."""
