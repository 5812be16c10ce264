"""Why an address cannot be listened on, in one line."""

import os

from sayso.errors import ServiceError


def cannot_listen(host: str, port: int, error: Exception) -> ServiceError:
    """Return the error that says why a server cannot be started, and what to do."""
    # What asyncio says of the operating system's reason is longer than that.
    number = getattr(error, "errno", None) or 0
    reason = os.strerror(number) if number > 0 else getattr(error, "strerror", None) or error
    return ServiceError(f"cannot listen on {host}, port {port}: {reason}; give another --host or --port")
