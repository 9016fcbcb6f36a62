"""``facedex stream push``: send a video file or a camera's video to a video stream."""
