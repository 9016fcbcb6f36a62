"""One folder for each Lambda function, named after its operation."""
