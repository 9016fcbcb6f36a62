"""The deployment, as a CDK app."""
