//! Files of one directory over HTTP.
