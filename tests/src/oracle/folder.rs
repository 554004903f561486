// SPDX-License-Identifier: Apache-2.0
//! Where cases lie: `DIR/NAME/case.json`, `DIR/NAME.json` or, packed, `DIR/NAME.json.zst`.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ruzstd::decoding::StreamingDecoder;

/// The project's own copies.
#[must_use]
pub fn own_cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/oracle")
}

/// A case file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CaseFile {
    /// The case's name.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
}

/// The cases of a folder, by name. Other files are passed over; a folder without a case is not.
///
/// # Errors
/// What the operating system says of the folder.
pub fn list(folder: &Path) -> io::Result<Vec<CaseFile>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(file_name) = path.file_name().and_then(OsStr::to_str) else {
            continue;
        };
        let name = if path.is_dir() {
            Some(file_name)
        } else {
            file_name
                .strip_suffix(".json.zst")
                .or_else(|| file_name.strip_suffix(".json"))
        };
        if let Some(name) = name {
            files.push(CaseFile {
                name: name.to_owned(),
                path: path.clone(),
            });
        }
    }
    files.sort();
    Ok(files)
}

/// The text of a case.
///
/// # Errors
/// What the operating system or the decompressor says.
pub fn read(file: &CaseFile) -> io::Result<Vec<u8>> {
    if file.path.is_dir() {
        return fs::read(file.path.join("case.json"));
    }
    let packed = fs::read(&file.path)?;
    if file.path.extension() != Some(OsStr::new("zst")) {
        return Ok(packed);
    }
    let mut decoder = StreamingDecoder::new(packed.as_slice()).map_err(io::Error::other)?;
    let mut text = Vec::new();
    decoder.read_to_end(&mut text)?;
    Ok(text)
}
