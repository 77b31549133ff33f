"""The hub's HTTP face: health, metrics and webhooks."""
