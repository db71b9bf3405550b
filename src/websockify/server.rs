//! Takes connections and answers their requests: a WebSocket, or a file.
