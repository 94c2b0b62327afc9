//! The growing end of a relay file: a buffer, and the rule that a failed write changes nothing.
//!
//! Offsets are kept here, not by the file: what a failed write left past `written` is overwritten by the next, and
//! cut off by recovery if there is none.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes gathered before they are written: many events a write.
const BUFFER: usize = 256 * 1024;

/// What a tail grows on.
pub(super) trait Medium {
    /// Writes some bytes at an offset.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Cuts the end off.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes all that was written durable.
    fn sync(&self) -> io::Result<()>;
}

impl Medium for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

/// A file's end with what waits to be written to it.
#[derive(Debug)]
pub(super) struct Tail<M> {
    medium: M,
    /// Bytes of the file that are written.
    written: u64,
    /// Bytes of the file that are durable.
    synced: u64,
    /// What comes after `written`.
    buffer: Vec<u8>,
}

impl<M: Medium> Tail<M> {
    /// Goes on after the first `written` bytes, of which `synced` are known to be durable.
    pub(super) fn new(medium: M, written: u64, synced: u64) -> Self {
        Self { medium, written, synced, buffer: Vec::with_capacity(BUFFER) }
    }

    /// Offset after the last byte taken.
    pub(super) fn end(&self) -> u64 {
        self.written.saturating_add(u64::try_from(self.buffer.len()).unwrap_or(u64::MAX))
    }

    /// Takes bytes: both parts or, on an error, none.
    pub(super) fn put(&mut self, first: &[u8], second: &[u8]) -> io::Result<()> {
        let len = first.len().saturating_add(second.len());
        if self.buffer.len().saturating_add(len) > BUFFER {
            self.flush()?;
        }
        if len <= BUFFER {
            self.buffer.extend_from_slice(first);
            self.buffer.extend_from_slice(second);
            return Ok(());
        }
        // Too large to be gathered; the buffer is empty here.
        let written = write_all(&self.medium, first, self.written)
            .and_then(|middle| write_all(&self.medium, second, middle))
            .inspect_err(|_| self.undo())?;
        self.written = written;
        Ok(())
    }

    /// Writes all that was taken.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.written = write_all(&self.medium, &self.buffer, self.written).inspect_err(|_| self.undo())?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Makes all that was written durable. After an error nobody knows what is on the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.synced != self.written {
            self.medium.sync()?;
            self.synced = self.written;
        }
        Ok(())
    }

    /// Forgets all after `offset`, which is not past [`Tail::end`].
    pub(super) fn cut(&mut self, offset: u64) -> io::Result<()> {
        if let Some(kept) = offset.checked_sub(self.written) {
            self.buffer.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
        } else {
            self.medium.set_len(offset)?;
            self.buffer.clear();
            self.written = offset;
            self.synced = self.synced.min(offset);
        }
        Ok(())
    }

    /// Gives the space of an incomplete write back. It is no harm if that fails: see above.
    fn undo(&self) {
        let _ = self.medium.set_len(self.written);
    }
}

/// Writes all bytes at `offset`; returns the offset after them.
fn write_all(medium: &impl Medium, mut bytes: &[u8], mut offset: u64) -> io::Result<u64> {
    while !bytes.is_empty() {
        match medium.write_at(bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                bytes = bytes.get(count..).unwrap_or_default();
                offset = offset.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(offset)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use std::cell::{Cell, RefCell};

    use proptest::prelude::*;

    use super::*;

    /// A disk with little room, that writes a few bytes at a time.
    #[derive(Default)]
    struct SmallDisk {
        bytes: RefCell<Vec<u8>>,
        room: Cell<usize>,
    }

    impl Medium for &SmallDisk {
        fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
            let mut disk = self.bytes.borrow_mut();
            let at = offset as usize;
            let count = bytes.len().min(self.room.get().saturating_sub(at)).min(100_000);
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let end = disk.len().max(at + count);
            disk.resize(end, 0);
            disk[at..at + count].copy_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn set_len(&self, len: u64) -> io::Result<()> {
            self.bytes.borrow_mut().truncate(len as usize);
            Ok(())
        }

        fn sync(&self) -> io::Result<()> {
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn a_full_disk_loses_and_doubles_nothing(
            events in prop::collection::vec((1usize..400_000, any::<u8>()), 1..8),
            step in 10_000usize..300_000,
        ) {
            let disk = SmallDisk::default();
            let mut tail = Tail::new(&disk, 0, 0);
            let mut expected = Vec::new();
            for (len, byte) in events {
                let event = vec![byte; len];
                while let Err(error) = tail.put(&event[..len / 3], &event[len / 3..]) {
                    prop_assert_eq!(error.kind(), io::ErrorKind::StorageFull);
                    prop_assert_eq!(tail.end(), expected.len() as u64);
                    disk.room.set(disk.room.get() + step);
                }
                expected.extend_from_slice(&event);
                prop_assert_eq!(tail.end(), expected.len() as u64);
            }
            while tail.flush().is_err() {
                prop_assert!(disk.bytes.borrow().len() as u64 == tail.written, "a partial write is taken back");
                disk.room.set(disk.room.get() + step);
            }
            prop_assert!(*disk.bytes.borrow() == expected);
        }
    }

    #[test]
    fn a_cut_takes_back_what_is_buffered_and_what_is_written() {
        let disk = SmallDisk::default();
        disk.room.set(1 << 20);
        let mut tail = Tail::new(&disk, 0, 0);
        tail.put(b"abc", b"def").unwrap();
        tail.cut(4).unwrap();
        tail.flush().unwrap();
        tail.put(b"XYZ", b"").unwrap();
        tail.cut(2).unwrap();
        tail.put(b"!", b"").unwrap();
        tail.flush().unwrap();
        assert_eq!(*disk.bytes.borrow(), b"ab!");
    }
}
