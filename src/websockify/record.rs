//! Recordings that noVNC's playback page plays.
