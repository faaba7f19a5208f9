//! A private PostgreSQL from the installed server binaries.
