//! The wrapped program: started, watched, its port moved out of the way.
