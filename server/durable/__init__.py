"""Durable: what brings messages elsewhere has in common, the relay and webhooks: queue, retries."""
