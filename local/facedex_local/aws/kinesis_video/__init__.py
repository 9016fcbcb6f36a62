"""A media endpoint of Kinesis Video Streams in memory, with PutMedia and GetMedia.

``ingest`` parses a producer's media into fragments, ``buffer`` stores them, ``requests`` and
``answers`` read and write the HTTP messages. ``endpoint`` is the application; it forwards requests
about the streams themselves to moto.
"""
