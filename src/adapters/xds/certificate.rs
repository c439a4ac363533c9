//! The subject alternative names of a certificate, and nothing else of it.
//!
//! The chain has been verified by the time this reads it. It walks the DER down to the one
//! extension; whatever it doesn't understand has no names.

use std::prelude::v1::*;

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const URI: u8 = 0x86;
/// 2.5.29.17
const SUBJECT_ALTERNATIVE_NAME: [u8; 3] = [0x55, 0x1d, 0x11];

/// The DNS names and URIs.
pub(super) fn names(certificate: &[u8]) -> Vec<String> {
    find(certificate).unwrap_or_default()
}

fn find(certificate: &[u8]) -> Option<Vec<String>> {
    let outer = Der(certificate).expect(SEQUENCE)?;
    let signed = Der(outer).expect(SEQUENCE)?;
    let extensions = Der(signed).find(|(tag, _)| *tag == EXTENSIONS)?.1;
    let extensions = Der(extensions).expect(SEQUENCE)?;
    for (_, extension) in Der(extensions) {
        let mut parts = Der(extension);
        if parts.next()? != (OBJECT_IDENTIFIER, &SUBJECT_ALTERNATIVE_NAME[..]) {
            continue;
        }
        // Whether it is critical may come in between.
        let value = parts.find(|(tag, _)| *tag == OCTET_STRING)?.1;
        let names = Der(Der(value).expect(SEQUENCE)?);
        let text = names.filter(|(tag, _)| matches!(*tag, DNS_NAME | URI));
        return Some(text.filter_map(|(_, name)| String::from_utf8(name.into()).ok()).collect());
    }
    None
}

/// Elements one after another: tag and contents.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn expect(mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, contents)| contents)
    }
}

impl<'a> Iterator for Der<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&tag, rest) = self.0.split_first()?;
        let (&length, mut rest) = rest.split_first()?;
        let mut length = usize::from(length);
        if length > 0x80 {
            let (digits, after) = rest.split_at_checked(length - 0x80)?;
            if digits.len() > 4 {
                return None;
            }
            length = digits.iter().fold(0, |all, &digit| all << 8 | usize::from(digit));
            rest = after;
        }
        let (contents, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, contents))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_has_no_names() {
        for bytes in
            [&b""[..], b"\x30", b"\x30\x80", b"\x30\x85\x01\x01\x01\x01\x01", b"\x30\x02\x30\x00"]
        {
            assert_eq!(names(bytes), Vec::<String>::new());
        }
    }
}
