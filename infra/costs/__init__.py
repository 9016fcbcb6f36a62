"""Monthly costs of a deployment, compared with Rekognition: ``python -m infra.costs``."""
