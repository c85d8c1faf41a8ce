"""The page's files, compressed once when they were built."""

import mimetypes
from os import PathLike, stat_result

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope


class Assets(StaticFiles):
    """Static files; where `FILE.gz` lies beside a file, a client that takes gzip gets that."""

    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """The file, or its compressed twin under the same media type; 304 where the client has it already."""
        accepted = Headers(scope=scope).get("accept-encoding", "")
        packed, found = self.lookup_path(f"{self.get_path(scope)}.gz") if "gzip" in accepted else ("", None)
        if found is None:
            response = super().file_response(full_path, stat_result, scope, status_code)
        else:
            response = super().file_response(packed, found, scope, status_code)
            response.headers["Content-Encoding"] = "gzip"
            if "content-type" in response.headers:
                kind = mimetypes.guess_type(full_path)[0] or "application/octet-stream"
                response.headers["Content-Type"] = f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
        response.headers.add_vary_header("Accept-Encoding")
        return response
