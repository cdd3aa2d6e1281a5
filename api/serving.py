"""gunicorn's own log without what people ask for: a citizen's link is in the path of a request, so no path is written."""

import sys
from typing import Any

import orjson
from gunicorn import glogging

from courier.logs import told_without_message


class Log(glogging.Logger):  # type: ignore[misc]
    """`courier serve` gives this class to gunicorn. `api.logs` writes one line a request already."""

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """Write nothing, whatever settings or environment say."""

    def exception(self, msg: str, *_args: Any, **_kwargs: Any) -> None:
        """Tell of a crash outside the application by types and places; the arguments hold the address."""
        told = told_without_message(None, "", {"exc_info": sys.exc_info()})
        self.error_log.error("%s %s", msg.replace("%s", "-"), orjson.dumps(told).decode())

    def debug(self, msg: str, *_args: Any, **_kwargs: Any) -> None:
        """Write nothing: gunicorn's debug lines quote requests."""
