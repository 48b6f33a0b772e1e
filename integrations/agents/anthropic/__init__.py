"""Anthropic's Messages API as an agent runner."""
