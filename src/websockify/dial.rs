//! Opens the connection to a target: TCP, a unix socket, TLS on top.
