//! Sources whose futures are always ready: a file on disk, a slice.

use std::fs::File;
use std::io;
use std::path::Path;

use appdepot_core::error::{Error, Result};
use appdepot_core::inspect::{Source, copy_at};
use async_trait::async_trait;

/// A local file, read in place and without a runtime.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    length: u64,
}

impl FileSource {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// Whatever opening it gives.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::new(File::open(path)?)
    }

    /// Reads from an open file.
    ///
    /// # Errors
    /// When its length cannot be told.
    pub fn new(mut file: File) -> io::Result<Self> {
        // half of what asking for all metadata takes
        let length = io::Seek::seek(&mut file, io::SeekFrom::End(0))?;
        Ok(Self { file, length })
    }

    #[cfg(unix)]
    fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(&self.file, buffer, offset)
    }

    #[cfg(windows)]
    fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_read(&self.file, buffer, offset)
    }

    #[cfg(not(any(unix, windows)))]
    fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        use std::io::{Read, Seek, SeekFrom};
        // an own handle, so that two readers do not move each other's position
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(offset))?;
        file.read(buffer)
    }
}

#[async_trait]
impl Source for FileSource {
    fn length(&self) -> u64 {
        self.length
    }

    async fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.read(offset + filled as u64, rest) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::unavailable(error)),
            }
        }
        Ok(filled)
    }
}

/// Borrowed bytes as a source.
#[derive(Debug, Clone, Copy)]
pub struct SliceSource<'a>(pub &'a [u8]);

#[async_trait]
impl Source for SliceSource<'_> {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    async fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        Ok(copy_at(self.0, offset, buffer))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use futures::FutureExt;

    use super::*;

    #[test]
    fn file_and_slice_agree_and_are_ready_at_once() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let file = FileSource::new(file).unwrap();
        let slice = SliceSource(b"0123456789");
        assert_eq!((file.length(), slice.length()), (10, 10));
        for (offset, expected) in [(0, "0123"), (8, "89"), (10, ""), (u64::from(u32::MAX), "")] {
            for source in [&file as &dyn Source, &slice] {
                let mut buffer = [0; 4];
                let count = source.read_at(offset, &mut buffer).now_or_never().unwrap().unwrap();
                assert_eq!(&buffer[..count], expected.as_bytes());
            }
        }
    }
}
