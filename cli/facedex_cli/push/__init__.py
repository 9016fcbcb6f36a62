"""``facedex stream push``: send a film or a camera's video into a video stream."""
