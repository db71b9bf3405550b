//! The log: standard error, a file, syslog.
