"""What a deployment costs a month, against Rekognition: ``python -m infra.costs``."""
