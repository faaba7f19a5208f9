//! What a source may say to its format alone.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

/// The options of one source's format, of a type that the format knows; none where the format has none.
#[derive(Debug, Clone, Default)]
pub struct Options(Option<Held>);

/// Options of a format: what it read from a source's entry in `freshet.yaml`.
pub trait FormatOptions: Any + Debug + Send + Sync {
    /// The metrics whose names they state.
    fn metrics(&self) -> Vec<&str> {
        Vec::new()
    }
}

#[derive(Debug, Clone)]
struct Held {
    options: Arc<dyn FormatOptions>,
    is_equal: fn(&dyn FormatOptions, &dyn FormatOptions) -> bool,
}

impl Options {
    /// Options of a format's own type.
    pub fn new<T: FormatOptions + PartialEq>(options: T) -> Self {
        let is_equal = |a: &dyn FormatOptions, b: &dyn FormatOptions| {
            downcast::<T>(a).is_some_and(|a| downcast::<T>(b) == Some(a))
        };
        Self(Some(Held { options: Arc::new(options), is_equal }))
    }

    /// The options, where they are of this type.
    pub fn get<T: FormatOptions>(&self) -> Option<&T> {
        self.0.as_ref().and_then(|held| downcast(&*held.options))
    }

    /// The metrics whose names they state.
    pub fn metrics(&self) -> Vec<&str> {
        self.0.as_ref().map_or_else(Vec::new, |held| held.options.metrics())
    }
}

impl PartialEq for Options {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(held), Some(other)) => (held.is_equal)(&*held.options, &*other.options),
            (None, None) => true,
            _ => false,
        }
    }
}

fn downcast<T: FormatOptions>(options: &dyn FormatOptions) -> Option<&T> {
    (options as &dyn Any).downcast_ref()
}
