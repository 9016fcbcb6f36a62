"""How well a pack recognises faces: measured on photos, and the calibration made from them."""
