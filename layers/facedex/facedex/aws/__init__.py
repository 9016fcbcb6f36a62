"""Calls to AWS: S3, SNS, SQS and Kinesis Video Streams."""
