//! WebSocket ⇄ RFB: two streams, the viewer's rights, and why it ended. Knows neither users nor
//! desktops.
