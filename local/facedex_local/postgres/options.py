"""Options of the embedded Postgres server."""

from __future__ import annotations

from typing import Final

OPTIONS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    # Errors of statements reach the client. In the log, their messages, details and statements
    # would leave names of people. Messages about the server have the levels "log" and "fatal".
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    # Files of the write-ahead log are removed, not reused with their old contents: deleted faces
    # are in them (facedex/store/erasing.py). There is no standby, and no archive.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "wal_recycle": "off",
    # A statement whose client was killed is cancelled, so that it holds no lock.
    "client_connection_check_interval": "1s",
}
