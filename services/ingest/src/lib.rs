//! Takes requests from outside and queues them.
