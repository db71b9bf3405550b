//! One WebSocket: token → gate → target → bridge → a line in the log.
