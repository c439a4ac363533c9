//! [`Nonce`]: which response of a stream a request answers.

use core::fmt;

/// The number of a response on its stream, written in hexadecimal. The default stands before the
/// first response, is written as nothing, and is nobody's answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::adapters::xds) struct Nonce(pub(in crate::adapters::xds) u64);

impl Nonce {
    /// Whether a client that says so means this response.
    pub(super) fn is(self, text: &str) -> bool {
        self != Nonce::default() && u64::from_str_radix(text, 16) == Ok(self.0)
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Nonce::default() { Ok(()) } else { write!(f, "{:x}", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn a_nonce_is_what_it_is_written_as() {
        for nonce in [1, 9, 10, 0xdead_beef, u64::MAX].map(Nonce) {
            assert!(nonce.is(&nonce.to_string()));
            assert!(!nonce.is("") && !nonce.is("2") && !nonce.is("x"));
        }
        let none = Nonce::default();
        assert!(none.to_string().is_empty() && !none.is("") && !none.is("0"));
    }
}
