//! Generated text between two markers of a file; what is around it is written by hand.

use std::fs;
use std::path::Path;

use super::Fallible;

const BEGIN: &str = "<!-- begin: written by pushlane-bench -->";
const END: &str = "<!-- end: written by pushlane-bench -->";

/// Replaces what is between the markers.
pub(super) fn replace(path: &Path, text: &str) -> Fallible {
    let before = fs::read_to_string(path)?;
    let after = between(&before, text).ok_or_else(|| format!("{}: no markers", path.display()))?;
    Ok(fs::write(path, after)?)
}

fn between(file: &str, text: &str) -> Option<String> {
    let (head, rest) = file.split_once(BEGIN)?;
    let (_, tail) = rest.split_once(END)?;
    Some(format!("{head}{BEGIN}\n\n{}\n\n{END}{tail}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let file = format!("a\n{BEGIN}\nold\n{END}\nz\n");
        let new = between(&file, "new\n").unwrap();
        assert_eq!(new, format!("a\n{BEGIN}\n\nnew\n\n{END}\nz\n"));
        assert_eq!(between(&new, "new").unwrap(), new, "twice is once");
        assert_eq!(between("no markers", "new"), None);
    }
}
