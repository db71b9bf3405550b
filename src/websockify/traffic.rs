//! `--traffic`: a character on standard output for each read and write.
