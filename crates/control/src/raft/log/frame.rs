use std::ops::Range;

use super::error::LogError;

/// What every frame begins with.
const MAGIC: [u8; 4] = *b"ifr1";

/// Where frames begin: at multiples of this many bytes.
pub(super) const ALIGN: usize = 8;

/// The bytes before a frame's body: the magic, the body's length (4), the number (8), the hash of these and the body (8).
pub(super) const HEAD: usize = 24;
const SEALED: usize = 16;

/// What one write put into the log, as a whole or not at all: a numbered and hashed piece of a file.
///
/// The next one is written only when this one is on the disk. So at most the last frame of a log can be torn, and that one
/// was never acknowledged; anything else that is wrong is damage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// Each frame of a log has the number after that of the one before, also across files.
    pub(super) number: u64,
    /// Where in the file its records are.
    pub(super) body: Range<usize>,
}

impl Frame {
    /// The bytes of a frame with this body.
    pub(super) fn encode(number: u64, body: &[u8]) -> Result<Vec<u8>, LogError> {
        let length = u32::try_from(body.len()).map_err(|_| LogError::TooLarge)?;
        let mut bytes = Vec::with_capacity(Self::size(body));
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&seal(&bytes, body));
        bytes.extend_from_slice(body);
        bytes.resize(Self::size(body), 0);
        Ok(bytes)
    }

    /// How many bytes a frame with this body takes.
    pub(super) fn size(body: &[u8]) -> usize {
        (HEAD + body.len()).next_multiple_of(ALIGN)
    }

    /// The frame that begins at `at`, if a whole one does.
    pub(super) fn parse(bytes: &[u8], at: usize) -> Option<Self> {
        let head: &[u8; HEAD] = bytes.get(at..)?.first_chunk()?;
        if head[..4] != MAGIC {
            return None;
        }
        let length = u32::from_le_bytes(*head[4..8].first_chunk()?);
        let number = u64::from_le_bytes(*head[8..SEALED].first_chunk()?);
        let start = at + HEAD;
        let body = start..start.checked_add(usize::try_from(length).ok()?)?;
        let valid = seal(&head[..SEALED], bytes.get(body.clone())?) == head[SEALED..];
        valid.then_some(Self { number, body })
    }

    /// Where the next one begins.
    pub(super) fn end(&self) -> usize {
        self.body.end.next_multiple_of(ALIGN)
    }

    /// The frames of a file, from its beginning to the first place where no whole one is that has the next number. `first` is
    /// the number of the first, if it is known.
    ///
    /// It is an error if whole ones come after that place: then it was not the last write that is missing.
    pub(super) fn scan(bytes: &[u8], first: Option<u64>) -> Result<Vec<Self>, String> {
        let mut frames: Vec<Self> = Vec::new();
        let (mut at, mut next) = (0, first);
        while let Some(frame) = Self::parse(bytes, at)
            && next.is_none_or(|next| frame.number == next)
        {
            (at, next) = (frame.end(), Some(frame.number + 1));
            frames.push(frame);
        }
        let next = next.unwrap_or_default();
        let later =
            (at..bytes.len()).step_by(ALIGN).find_map(|at| Self::parse(bytes, at).filter(|it| it.number >= next));
        match later {
            Some(later) => Err(format!("write {next} is damaged or missing, though write {} is there", later.number)),
            None => Ok(frames),
        }
    }
}

fn seal(head: &[u8], body: &[u8]) -> [u8; 8] {
    let mut hash = blake3::Hasher::new();
    hash.update(head).update(body);
    let mut seal = [0; 8];
    hash.finalize_xof().fill(&mut seal);
    seal
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of three frames with room behind them, and where each of them ends.
    fn file() -> (Vec<u8>, Vec<usize>) {
        let (mut file, mut ends) = (Vec::new(), Vec::new());
        for (number, body) in [(7, &b"first"[..]), (8, b""), (9, b"the third")] {
            file.extend(Frame::encode(number, body).unwrap());
            ends.push(file.len());
        }
        file.resize(file.len() + 100, 0);
        (file, ends)
    }

    fn numbers(bytes: &[u8], first: Option<u64>) -> Result<Vec<u64>, String> {
        Ok(Frame::scan(bytes, first)?.iter().map(|frame| frame.number).collect())
    }

    #[test]
    fn frames_are_read_as_they_were_written() {
        let (file, _) = file();
        let frames = Frame::scan(&file, None).unwrap();
        assert_eq!(
            frames.iter().map(|frame| &file[frame.body.clone()]).collect::<Vec<_>>(),
            [&b"first"[..], b"", b"the third"]
        );
        assert_eq!(numbers(&file, Some(7)), Ok(vec![7, 8, 9]));
        assert!(numbers(&file, Some(6)).unwrap_err().contains("write 6 is damaged or missing"));
        // What is left of an older file has lower numbers, and is nothing.
        assert_eq!(numbers(&file, Some(10)), Ok(vec![]));
        assert_eq!(numbers(&[], None), Ok(vec![]));
    }

    #[test]
    fn a_file_that_was_cut_has_the_whole_frames_before() {
        let (file, _) = file();
        let frames = Frame::scan(&file, None).unwrap();
        for length in 0..file.len() {
            let whole = frames.iter().filter(|frame| frame.body.end <= length);
            assert_eq!(
                numbers(&file[..length], None),
                Ok(whole.map(|frame| frame.number).collect()),
                "cut to {length}"
            );
        }
    }

    #[test]
    fn a_changed_byte_is_noticed_unless_it_is_in_the_last_frame_which_is_then_missing() {
        let (file, ends) = file();
        for at in 0..ends[2] {
            let mut changed = file.clone();
            changed[at] ^= 0x10;
            match numbers(&changed, None) {
                Err(error) => assert!(at < ends[1], "byte {at}: {error}"),
                Ok(found) if found.len() == 3 => assert!(changed[at] == 0x10, "byte {at} is no padding"),
                Ok(found) => assert!(at >= ends[1] && found == [7, 8], "byte {at}: {found:?}"),
            }
        }
    }
}
