"""What the product calls at Amazon: S3, SNS, SQS, Kinesis Video Streams."""
