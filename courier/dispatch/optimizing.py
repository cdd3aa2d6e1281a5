"""The bare optimiser for other programs: VROOM's body in, VROOM's body out."""

from collections.abc import Mapping
from typing import Any


class NotOptimized(Exception):
    """VROOM's kind of error: `status` 400 or 500, `body` {code: 1 internal | 2 input | 3 routing, error}."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(str(body.get("error")))
        self.status = status
        self.body = body
