"""Kinesis Video Streams' media endpoint in memory: PutMedia in, GetMedia out.

``buffer`` holds fragments, ``ingest`` makes them of what a producer sends, ``requests`` and
``answers`` know the wire, ``endpoint`` is the application in front of moto, which has the streams
themselves.
"""
