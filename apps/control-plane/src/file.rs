//! Reads a file that somebody else puts in place: never waits for it, never reads what is no file.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// The content of a regular file. A named pipe would block the reader until somebody writes, and a
/// device may have no end: they are errors that say what was found.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Before it is opened, because to open a device can have effects.
    regular(fs::metadata(path)?.file_type())?;
    let mut file = open(path)?;
    // It may have been replaced meanwhile.
    regular(file.metadata()?.file_type())?;
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    Ok(content)
}

fn regular(found: FileType) -> io::Result<()> {
    if found.is_file() {
        return Ok(());
    }
    let what = format!("it is {}, not a regular file", kind(found));
    Err(io::Error::new(ErrorKind::InvalidInput, what))
}

/// Opening a named pipe for reading waits for a writer unless this is declined.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

#[cfg(unix)]
fn kind(of: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match of {
        _ if of.is_dir() => "a directory",
        _ if of.is_fifo() => "a named pipe",
        _ if of.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(not(unix))]
fn kind(of: FileType) -> &'static str {
    if of.is_dir() { "a directory" } else { "something else" }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn what_is_no_file_is_named() {
        let dir = std::env::temp_dir().join(format!("pushlane-odd-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let pipe = dir.join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let socket = dir.join("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        let link = dir.join("link");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        for (path, what) in [
            (&*dir, "a directory"),
            (&pipe, "a named pipe"),
            (&link, "a named pipe"),
            (&socket, "a socket"),
            (Path::new("/dev/zero"), "a device"),
        ] {
            let error = read(path).unwrap_err().to_string();
            assert_eq!(error, format!("it is {what}, not a regular file"));
        }
        // Without the first look a pipe is still no reason to wait.
        assert!(regular(open(&pipe).unwrap().metadata().unwrap().file_type()).is_err());
        fs::write(dir.join("file"), "content").unwrap();
        assert_eq!(read(&dir.join("file")).unwrap(), b"content");
        assert_eq!(read(&dir.join("none")).unwrap_err().kind(), ErrorKind::NotFound);
        fs::remove_dir_all(&dir).unwrap();
    }
}
