"""The OpenAPI document, derived from the catalog and the service model."""
