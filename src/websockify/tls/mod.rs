//! TLS as the command line asks for it: certificate, client certificates, versions, suites.
