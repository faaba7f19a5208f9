//! freshet.yaml: parse, validate, list every mistake.
