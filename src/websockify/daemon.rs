//! Into the background, and sockets that somebody else opened (inetd, systemd).
