"""A Facedex server for the tests of other programs: pytest fixtures, see ``docs/recipes.md``.

pytest imports this package in every environment that has Facedex, so it imports no other part of
the product, and boto3 only when a test needs a client.
"""

from facedex_cli.testing.server import FacedexServer, ServerFailed, serving

__all__ = ["FacedexServer", "ServerFailed", "serving"]
