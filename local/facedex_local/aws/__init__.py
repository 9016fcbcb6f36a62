"""Stand-ins for the AWS services that functions call: moto, and Kinesis Video Streams."""
