//! The files of the log: numbered segments, each with a header.

use super::bytes::{Put, Take};
use super::folder::make_private;
use super::frame::Checksum;
use super::index::{Place, Secret};
use super::totals::mix;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Version of the files' format.
pub(super) const FORMAT: u32 = 1;
/// Bytes before the first frame.
pub(super) const HEADER: usize = 64;
const MAGIC: &[u8; 8] = b"DRTRLOG\n";
/// Where segments go that were damaged.
pub(super) const DAMAGED: &str = "damaged";
/// Bytes of damaged files that are kept for whoever wants to look at them.
const DAMAGED_MOST: u64 = 256 * 1024 * 1024;

impl Secret {
    /// The start of every checksum of this store.
    pub(super) fn checksum(self) -> Checksum {
        Checksum(u32::try_from(mix(self.0[0], self.0[1]) >> 32).unwrap_or_default())
    }
}

/// What stands at the beginning of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) format: u32,
    pub(super) segment: u32,
    pub(super) secret: Secret,
}

impl Header {
    fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.put_u32(self.format);
        out.put_u32(self.segment);
        out.put_u64(self.secret.0[0]);
        out.put_u64(self.secret.0[1]);
        out.put_u32(Checksum(0).of(&out));
        out.resize(HEADER, 0);
        out
    }

    /// Reads the beginning of a file; `None` when it is damaged.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = Take(bytes);
        if from.bytes(8)? != MAGIC {
            return None;
        }
        let (format, segment) = (from.u32()?, from.u32()?);
        let secret = Secret([from.u64()?, from.u64()?]);
        (from.u32()? == Checksum(0).of(&bytes[..32])).then_some(Self { format, segment, secret })
    }
}

/// The segments of one store, open for reading and writing.
#[derive(Debug)]
pub(super) struct Segments {
    folder: PathBuf,
    files: BTreeMap<u32, File>,
    secret: Secret,
}

impl Segments {
    pub(super) fn new(folder: &Path, secret: Secret) -> Self {
        Self { folder: folder.to_owned(), files: BTreeMap::new(), secret }
    }

    /// The segments in a folder with their numbers, the oldest first.
    pub(super) fn list(folder: &Path) -> io::Result<Vec<(u32, PathBuf)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            // Another spelling of the number is another file.
            let named = |number: &u32| path.file_name().is_some_and(|file| *file == *name(*number));
            if let Some(number) = number.filter(named) {
                found.push((number, path));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Takes note of a segment that is there.
    pub(super) fn add(&mut self, number: u32, file: File) {
        self.files.insert(number, file);
    }

    pub(super) fn contains(&self, number: u32) -> bool {
        self.files.contains_key(&number)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// The oldest segment.
    pub(super) fn first(&self) -> Option<u32> {
        self.files.first_key_value().map(|(number, _)| *number)
    }

    /// Makes a new segment; when it returns, neither file nor name can be lost.
    pub(super) fn create(&mut self, number: u32) -> io::Result<()> {
        let path = self.path(number);
        let made = self.try_create(number, &path);
        if made.is_err() {
            // Half a segment would be taken for a damaged one.
            let _ = fs::remove_file(&path);
        }
        self.files.insert(number, made?);
        Ok(())
    }

    fn try_create(&self, number: u32, path: &Path) -> io::Result<File> {
        // Somebody may have removed it.
        make_private(&self.folder)?;
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        let header = Header { format: FORMAT, segment: number, secret: self.secret };
        write_at(&file, &header.encode(), 0)?;
        file.sync_all()?;
        sync_folder(&self.folder)?;
        Ok(file)
    }

    pub(super) fn write(&self, number: u32, bytes: &[u8], offset: u64) -> io::Result<()> {
        write_at(self.file(number)?, bytes, offset)
    }

    /// Returns when everything written is on the disk.
    pub(super) fn sync(&self, number: u32) -> io::Result<()> {
        self.file(number)?.sync_data()
    }

    /// Cuts a segment that could not be written; what is behind its last good byte means nothing.
    pub(super) fn cut(&self, number: u32, len: u64) -> io::Result<()> {
        self.file(number)?.set_len(len)
    }

    /// Bytes of one segment.
    pub(super) fn read(&self, number: u32, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        read_at(self.file(number)?, &mut bytes, offset)?;
        Ok(bytes)
    }

    /// The record at a place, with its header.
    pub(super) fn read_place(&self, place: Place) -> io::Result<Vec<u8>> {
        self.read(place.segment, place.offset.into(), place.size as usize)
    }

    /// All of a segment as far as the disk gives it; what it does not give reads as zeros.
    pub(super) fn read_what_is_there(&self, number: u32) -> io::Result<Vec<u8>> {
        let len = usize::try_from(self.size(number)?).unwrap_or(usize::MAX);
        Ok(read_what_is_there(self.file(number)?, len))
    }

    pub(super) fn size(&self, number: u32) -> io::Result<u64> {
        Ok(self.file(number)?.metadata()?.len())
    }

    /// Deletes a segment, or sets it aside when it was damaged.
    pub(super) fn remove(&mut self, number: u32, damaged: bool) -> io::Result<()> {
        let path = self.path(number);
        if damaged {
            set_aside(&self.folder, &path)?;
            // Too much that was set aside is no reason to do it again.
            let _ = thin_out(&self.folder);
        } else if let Err(error) = fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        self.files.remove(&number);
        // Segments go one by one: a newer one must not be gone while an older one comes back.
        sync_folder(&self.folder)
    }

    fn path(&self, number: u32) -> PathBuf {
        self.folder.join(name(number))
    }

    fn file(&self, number: u32) -> io::Result<&File> {
        self.files.get(&number).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

/// The file name of a segment.
fn name(number: u32) -> String {
    format!("{number:010}.log")
}

/// Moves a damaged file out of the way. Of many, the oldest are deleted.
pub(super) fn set_aside(folder: &Path, path: &Path) -> io::Result<()> {
    let aside = folder.join(DAMAGED);
    fs::create_dir_all(&aside)?;
    let name = path.file_name().unwrap_or_default();
    let mut target = aside.join(name);
    for copy in 1.. {
        if !target.exists() {
            break;
        }
        target = aside.join(format!("{}.{copy}", name.to_string_lossy()));
    }
    match fs::rename(path, target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    Ok(())
}

/// Deletes the oldest of the damaged files when there are too many.
pub(super) fn thin_out(folder: &Path) -> io::Result<()> {
    let aside = folder.join(DAMAGED);
    if !aside.is_dir() {
        return Ok(());
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(&aside)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        files.push((metadata.modified()?, metadata.len(), entry.path()));
    }
    files.sort();
    let mut bytes: u64 = files.iter().map(|(_, len, _)| len).sum();
    for (_, len, path) in files {
        if bytes <= DAMAGED_MOST {
            break;
        }
        if path.is_dir() {
            fs::remove_dir_all(path)?;
        } else {
            fs::remove_file(path)?;
        }
        bytes -= len;
    }
    Ok(())
}

/// Bytes that are given up together when the disk cannot read them.
const SECTORS: usize = 4096;

/// As many bytes of a file as the disk gives; what it does not give reads as zeros.
pub(super) fn read_what_is_there(file: &File, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    for (piece, place) in bytes.chunks_mut(256 * SECTORS).zip((0_u64..).step_by(256 * SECTORS)) {
        if read_at(file, piece, place).is_err() {
            for (sector, place) in piece.chunks_mut(SECTORS).zip((place..).step_by(SECTORS)) {
                if read_at(file, sector, place).is_err() {
                    sector.fill(0);
                }
            }
        }
    }
    bytes
}

/// Makes sure that names in a folder are as they were made.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(unix)]
pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(unix)]
pub(super) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
pub(super) fn write_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        (bytes, offset) = (&bytes[written..], offset + written as u64);
    }
    Ok(())
}

#[cfg(windows)]
pub(super) fn read_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, bytes, offset)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        (bytes, offset) = (&mut bytes[read..], offset + read as u64);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_unless_a_bit_is_flipped() {
        let header = Header { format: FORMAT, segment: 7, secret: Secret([1, 2]) };
        let bytes = header.encode();
        assert_eq!(bytes.len(), HEADER);
        assert_eq!(Header::decode(&bytes), Some(header));
        for bit in 0..36 * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&damaged), None, "bit {bit}");
        }
    }

    #[test]
    fn segments_are_listed_by_number() {
        let folder = tempfile::tempdir().unwrap();
        let mut segments = Segments::new(folder.path(), Secret([1, 2]));
        for number in [12, 3] {
            segments.create(number).unwrap();
        }
        fs::write(folder.path().join("notes.txt"), "no segment").unwrap();
        let numbers: Vec<_> =
            Segments::list(folder.path()).unwrap().into_iter().map(|(number, _)| number).collect();
        assert_eq!(numbers, [3, 12]);
        segments.remove(3, true).unwrap();
        assert!(folder.path().join(DAMAGED).join("0000000003.log").exists());
        assert_eq!(segments.first(), Some(12));
    }
}
