//! A token from the browser → the target that it stands for.
