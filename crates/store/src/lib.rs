//! PostgreSQL: migrations, the group-commit writer, the queues that are rows, queries.
