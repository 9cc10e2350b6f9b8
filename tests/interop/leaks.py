"""Secrets of the tests. What is registered here must occur nowhere in what calve says or writes."""

SECRETS = set()


def secret(text):
    """Registers a secret, and returns it."""
    SECRETS.add(text)
    return text
