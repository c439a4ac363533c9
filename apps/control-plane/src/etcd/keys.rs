//! How keys are laid out below a prefix.
//!
//! | key | value |
//! | --- | --- |
//! | `PREFIX/VIEW/TYPE/NAME` | a `google.protobuf.Any` with the resource; TYPE is its message, without `type.googleapis.com/` |
//! | `PREFIX/VIEW` | the view's marker: every transaction of `put` writes it |
//! | `PREFIX.replicas/ID/LEASE` | a replica's record, JSON, under its lease |
//! | `PREFIX.limits/ID` | how many streams a replica admits, in digits; `*` stands for all others |
//!
//! A view is served as soon as its marker or a resource exists. Because of the marker each
//! transaction has an event of its own, also one that removes; and the newest revision of a view's
//! keys is that of its last transaction, so that every replica gives a view the same revision,
//! whenever it started.

const TYPES: &str = "type.googleapis.com/";

#[derive(Clone, Debug)]
pub(crate) struct Keys {
    prefix: String,
}

/// What a key of the state stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) view: String,
    /// Type URL and name. `None`: the view's marker.
    pub(crate) resource: Option<(String, String)>,
}

impl Place {
    /// The last part of the resource's type.
    pub(crate) fn kind(&self) -> Option<&str> {
        let (type_url, _) = self.resource.as_ref()?;
        type_url.rsplit(['.', '/']).next()
    }
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.into() }
    }

    /// Where the state begins, and what follows it: `0` comes after `/`.
    pub(crate) fn state(&self) -> (Vec<u8>, Vec<u8>) {
        (format!("{}/", self.prefix).into(), format!("{}0", self.prefix).into())
    }

    pub(crate) fn replicas(&self) -> (Vec<u8>, Vec<u8>) {
        let all = format!("{}.replicas", self.prefix);
        (format!("{all}/").into(), format!("{all}0").into())
    }

    /// Two processes with one name have two records: each counts its own clients.
    pub(crate) fn replica(&self, id: &str, lease: i64) -> Vec<u8> {
        format!("{}.replicas/{id}/{lease:x}", self.prefix).into()
    }

    pub(crate) fn limits(&self) -> (Vec<u8>, Vec<u8>) {
        let all = format!("{}.limits", self.prefix);
        (format!("{all}/").into(), format!("{all}0").into())
    }

    /// `None`: of all replicas that have no limit of their own.
    pub(crate) fn limit(&self, id: Option<&str>) -> Vec<u8> {
        format!("{}.limits/{}", self.prefix, id.unwrap_or("*")).into()
    }

    pub(crate) fn marker(&self, view: &str) -> Vec<u8> {
        format!("{}/{view}", self.prefix).into()
    }

    /// A view's resources, without the marker.
    pub(crate) fn view(&self, view: &str) -> (Vec<u8>, Vec<u8>) {
        (format!("{}/{view}/", self.prefix).into(), format!("{}/{view}0", self.prefix).into())
    }

    pub(crate) fn resource(&self, view: &str, type_url: &str, name: &str) -> Vec<u8> {
        let kind = type_url.strip_prefix(TYPES).unwrap_or(type_url);
        format!("{}/{view}/{kind}/{name}", self.prefix).into()
    }

    /// What a key stands for, or what is wrong with it. Names may contain slashes, views and types
    /// may not.
    pub(crate) fn parse(&self, key: &[u8]) -> Result<Place, &'static str> {
        let key = str::from_utf8(key).map_err(|_| "the key is not UTF-8")?;
        let rest = key.strip_prefix(&*self.prefix).and_then(|rest| rest.strip_prefix('/'));
        let mut parts = rest.ok_or("the key has another prefix")?.splitn(3, '/');
        let view = parts.next().filter(|view| !view.is_empty()).ok_or("the key names no view")?;
        let resource = match (parts.next(), parts.next()) {
            (None, _) => None,
            (Some(kind), Some(name)) if !kind.is_empty() && !name.is_empty() => {
                Some((format!("{TYPES}{kind}"), name.to_owned()))
            }
            _ => return Err("expected a key of the form PREFIX/VIEW/TYPE/NAME"),
        };
        Ok(Place { view: view.to_owned(), resource })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_there_and_back() {
        let keys = Keys::new("/p");
        let url = "type.googleapis.com/a.b.Cluster";
        let key = keys.resource("default", url, "routes/with/slashes");
        assert_eq!(key, b"/p/default/a.b.Cluster/routes/with/slashes");
        let resource = Some((url.to_owned(), "routes/with/slashes".to_owned()));
        assert_eq!(keys.parse(&key), Ok(Place { view: "default".into(), resource }));
        let marker = Place { view: "edge".into(), resource: None };
        assert_eq!(keys.parse(&keys.marker("edge")), Ok(marker));
        for bad in ["/p/", "/p/v/", "/p/v/t", "/p/v/t/", "/p/v//n", "/q/v/t/n", "/p"] {
            assert!(keys.parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn ranges_hold_what_they_should() {
        let keys = Keys::new("/p");
        let within =
            |(begin, end): (Vec<u8>, Vec<u8>), key: &[u8]| begin <= key.to_vec() && *key < *end;
        assert!(within(keys.state(), &keys.marker("v")));
        assert!(within(keys.state(), &keys.resource("v", "t", "n")));
        assert!(!within(keys.state(), &keys.replica("r", 7)));
        assert!(within(keys.replicas(), &keys.replica("r", 7)));
        assert!(
            within(keys.limits(), &keys.limit(None))
                && within(keys.limits(), &keys.limit(Some("r")))
        );
        assert!(!within(keys.state(), &keys.limit(None)));
        assert!(within(keys.view("v"), &keys.resource("v", "t", "n")));
        assert!(!within(keys.view("v"), &keys.resource("vv", "t", "n")));
    }
}
