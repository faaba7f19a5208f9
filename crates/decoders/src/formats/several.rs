//! A body that is one message of a platform, or an array of them.

use crate::decode::{Context, DecodeError, Decoded, FormError, Problem};
use crate::form;
use crate::json::Node;

/// The messages of a body.
pub(super) struct Several<M> {
    /// What is no message is kept as the problem that it is.
    each: Vec<Result<M, Problem>>,
    is_list: bool,
}

impl<M> Several<M> {
    /// Those in `body`. `read` is given a JSON value, and what stands before the places in it; where it finds no message, the reason is
    /// `not_one`.
    ///
    /// # Errors
    /// [`FormError::Unprocessable`] where no value is a message.
    pub(super) fn of(
        body: Node,
        not_one: &str,
        read: impl Fn(Node, String) -> Option<M>,
    ) -> Result<Self, FormError> {
        let is_list = matches!(body, Node::List(_));
        let items = match body {
            Node::List(items) => items,
            Node::Object(_) => vec![body],
            other => return Err(form::no_object(&other)),
        };
        let place = |index: usize| if is_list { format!("[{index}].") } else { String::new() };
        let read = |(index, item): (usize, Node)| {
            read(item, place(index)).ok_or_else(|| Problem::new(format!("[{index}]"), not_one))
        };
        let each: Vec<_> = items.into_iter().enumerate().map(read).collect();
        if each.iter().all(Result::is_err) {
            return Err(FormError::Unprocessable(not_one.to_owned()));
        }
        Ok(Self { each, is_list })
    }

    /// The message, where there is one only.
    pub(super) fn only(&self) -> Option<&M> {
        let [Ok(message)] = self.each.as_slice() else { return None };
        Some(message)
    }

    /// What they come to.
    pub(super) fn decode(
        &self,
        context: Context<'_>,
        read: impl Fn(&M, Context<'_>) -> Result<Decoded, Problem>,
    ) -> Result<Decoded, DecodeError> {
        let mut decoded = Decoded::default();
        let each = self.each.iter().map(|message| message.as_ref().map_err(Clone::clone));
        decoded.add_each(each, !self.is_list, |message, decoded| {
            decoded.append(read(message, context)?);
            Ok(())
        })?;
        Ok(decoded)
    }
}
