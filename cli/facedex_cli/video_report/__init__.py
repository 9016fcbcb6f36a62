"""Report on a finished video job: an HTML page with a timeline per person."""
