//! Columns that keep a word of an enum.

use std::error::Error;
use std::str::FromStr;

use tokio_postgres::types::{FromSql, Type};

/// Reads a text column as the enum whose word it is; an unknown word is an error of the row.
pub(crate) struct Word<T>(pub(crate) T);

impl<'a, T: FromStr<Err: Error + Send + Sync + 'static>> FromSql<'a> for Word<T> {
    fn from_sql(column: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(<&str>::from_sql(column, raw)?.parse()?))
    }

    fn accepts(column: &Type) -> bool {
        <&str as FromSql>::accepts(column)
    }
}
