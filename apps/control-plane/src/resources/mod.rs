//! The desired state as files: proto3 JSON, YAML, or exact bytes.

pub(crate) mod fault;
mod json;
mod known;
mod list;
mod node;
mod proto;
mod scalar;
#[cfg(test)]
mod tests;
mod time;
mod tree;
pub(crate) mod types;
pub(crate) mod wire;
mod yaml;

use crate::file::read;
use fault::Fault;
use list::List;
use node::Node;
use std::path::Path;
use std::{fmt, io};

/// The files that a directory may have. The first that exists is read.
pub(crate) const FILES: [&str; 3] = ["resources.b64.json", "resources.json", "resources.yaml"];

/// One resource, ready to be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    pub(crate) type_url: String,
    pub(crate) name: String,
    pub(crate) value: Vec<u8>,
}

impl Resource {
    /// The last part of its type, by which people know it.
    pub(crate) fn kind(&self) -> &str {
        self.type_url.rsplit(['.', '/']).next().unwrap_or_default()
    }
}

/// `Cluster "shop"`.
impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.kind(), self.name)
    }
}

/// The name and the content of the first file that exists.
pub(crate) fn find(dir: &Path) -> io::Result<Option<(&'static str, Vec<u8>)>> {
    for file in FILES {
        match read(&dir.join(file)) {
            Ok(content) => return Ok(Some((file, content))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io::Error::new(error.kind(), format!("{file}: {error}"))),
        }
    }
    Ok(None)
}

/// What is wrong with a directory that has none of the files.
pub(crate) fn nothing_in(dir: &Path) -> String {
    format!("none of {} in {}", FILES.join(", "), dir.display())
}

/// All resources of a file, or all that is wrong with it. The name tells the format.
pub(crate) fn parse(file: &str, content: &[u8]) -> Result<Vec<Resource>, Vec<Fault>> {
    let text = str::from_utf8(content)
        .map_err(|error| vec![Fault::of_file(format!("not UTF-8: {error}"))])?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut list =
        if file.ends_with(".b64.json") { List::of_exact_bytes() } else { List::of_messages() };
    let mut each = |node: &Node<'_>| list.take(node);
    let rest = if file.ends_with(".yaml") {
        yaml::parse(text, &mut each)
    } else {
        json::parse(text, &mut each)
    };
    let rest = rest.map_err(|fault| vec![fault])?;
    list.finish(&rest)
}
