"""Bulk import: photos of a folder or of S3 into a collection, through IndexFaces."""
