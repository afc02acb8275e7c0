//! A text file that somebody names on the command line: bounded, and every error with its name.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufRead as _, Read as _};
use std::path::Path;

/// The text of a file that has at most so many bytes.
///
/// # Errors
/// It cannot be read, or is larger.
pub(super) fn read_at_most(path: &Path, bytes_max: u64) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(bytes_max + 1).read_to_string(&mut text));
    read.map_err(|error| named(path.display(), &error))?;
    if text.len() as u64 > bytes_max {
        let message = format!("{} is larger than {bytes_max} bytes", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(text)
}

/// What is typed: `-` reads it from standard input, at most so many bytes of a line, since a command line is seen by others.
///
/// # Errors
/// Those of standard input.
pub(super) fn typed(text: &str, bytes_max: u64) -> io::Result<String> {
    if text != "-" {
        return Ok(text.to_owned());
    }
    let mut line = String::new();
    io::stdin().lock().take(bytes_max).read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// The file that is named; `-` is standard input.
pub(super) fn or_stdin(path: &Path) -> &Path {
    if path.as_os_str() == "-" {
        Path::new("/dev/stdin")
    } else {
        path
    }
}

/// The error with the name of its file.
pub(super) fn named(name: impl Display, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{name}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_bound_and_named_in_errors() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("five.toml");
        std::fs::write(&path, "a = 1").unwrap();
        assert_eq!(read_at_most(&path, 5).unwrap(), "a = 1");
        for (path, bytes_max, part) in [
            (path, 4, "five.toml is larger than 4 bytes"),
            (dir.path().join("none.toml"), 5, "none.toml: "),
        ] {
            let error = read_at_most(&path, bytes_max).err().unwrap().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
