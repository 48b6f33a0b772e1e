"""A local model: Anthropic's Messages API as a stream, with answers that are pure functions of the request."""
