"""Verification of requests to the stand-ins for other AWS services, and who may do what there."""
