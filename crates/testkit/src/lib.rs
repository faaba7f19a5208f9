//! Fixtures, fakes, real servers for tests, eventually().
