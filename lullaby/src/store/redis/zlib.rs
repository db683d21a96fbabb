//! zlib, as RQ compresses calls and tracebacks.
//!
//! A decompressor takes 40 kB, and making one for each job costs more than all else that a job costs; so each thread has one.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::{pickle, small_deflate};

/// The most bytes that are inflated.
pub(super) const MAX_INFLATED: usize = pickle::MAX_BYTES;

thread_local! {
    static DECOMPRESS: RefCell<Decompress> = RefCell::new(Decompress::new(true));
}

/// Compresses.
#[must_use]
pub(super) fn deflate(bytes: &[u8]) -> Vec<u8> {
    if bytes.len() <= small_deflate::MOST {
        return small_deflate::deflate(bytes);
    }
    let mut zlib = Compress::new(Compression::default(), true);
    // What cannot be compressed grows by a little.
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 1000 + 64);
    loop {
        let rest = bytes.get(count(zlib.total_in())..).unwrap_or_default();
        match zlib.compress_vec(rest, &mut out, FlushCompress::Finish) {
            Ok(Status::StreamEnd) => return out,
            Ok(_) => out.reserve(64),
            // A fresh stream takes everything.
            Err(error) => {
                debug_assert!(false, "{error}");
                return out;
            }
        }
    }
}

/// What became of bytes to inflate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Inflated {
    /// All of it.
    Whole(Vec<u8>),
    /// Over [`MAX_INFLATED`].
    TooLarge,
    /// No zlib stream, or a broken one.
    NoZlib,
}

/// Inflates at most [`MAX_INFLATED`] bytes. What follows the stream is ignored, as Python does.
#[must_use]
pub(super) fn inflate(data: &[u8]) -> Inflated {
    DECOMPRESS.with_borrow_mut(|zlib| {
        zlib.reset(true);
        let mut bytes = Vec::with_capacity((4 * data.len()).clamp(64, 1 << 16));
        loop {
            let rest = data.get(count(zlib.total_in())..).unwrap_or_default();
            let status = zlib.decompress_vec(rest, &mut bytes, FlushDecompress::None);
            match status {
                Err(_) => return Inflated::NoZlib,
                Ok(_) if bytes.len() > MAX_INFLATED => return Inflated::TooLarge,
                Ok(Status::StreamEnd) => return Inflated::Whole(bytes),
                // There is room, so it wants more to read, and there is no more.
                Ok(_) if bytes.len() < bytes.capacity() => return Inflated::NoZlib,
                Ok(_) => bytes.reserve(bytes.len()),
            }
        }
    })
}

fn count(total: u64) -> usize {
    usize::try_from(total).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many bytes of so many kinds, in no order.
    fn noise(length: usize, kinds: u32) -> Vec<u8> {
        (0..u32::try_from(length).expect("a few"))
            .map(|n| ((n.wrapping_mul(2_654_435_761) >> 13) % kinds) as u8)
            .collect()
    }

    #[test]
    fn whatever_is_deflated_comes_back_the_same() {
        for length in (0..1100).chain([65_536, 100_000]) {
            for kinds in [1, 2, 3, 20, 150, 256] {
                let bytes = noise(length, kinds);
                let deflated = deflate(&bytes);
                assert!(
                    deflated.len() <= length + length / 8 + 16,
                    "{length} bytes of {kinds}"
                );
                assert_eq!(inflate(&deflated), Inflated::Whole(bytes));
            }
        }
    }

    #[test]
    fn what_repeats_at_any_distance_is_named_once() {
        for distance in 3..=1000 {
            let mut bytes = noise(distance, 256);
            let alone = deflate(&bytes).len();
            bytes.extend_from_within(..distance.min(24));
            assert_eq!(inflate(&deflate(&bytes)), Inflated::Whole(bytes.clone()));
            assert!(deflate(&bytes).len() <= alone + 8, "{distance} bytes apart");
        }
    }

    #[test]
    fn a_call_takes_as_few_bytes_as_by_zlib() {
        let call = br#"["send_email", null, [], {"to": "ann@example.com", "pet": "Mochi", "subject": "Mochi is awake, and Mochi is hungry"}]"#;
        let mut zlib = Compress::new(Compression::fast(), true);
        let mut out = Vec::with_capacity(1000);
        let done = zlib.compress_vec(call, &mut out, FlushCompress::Finish);
        assert_eq!(done.expect("fits"), Status::StreamEnd);
        let ours = deflate(call).len();
        assert!(
            ours <= out.len() + 4,
            "{ours} instead of {} bytes",
            out.len()
        );
    }

    #[test]
    fn a_stream_that_was_cut_is_none_and_does_not_spoil_the_next() {
        let whole = deflate(&[1, 2, 3, 4, 5, 6, 7, 8]);
        for length in 0..whole.len() {
            assert_eq!(inflate(&whole[..length]), Inflated::NoZlib, "{length}");
            assert_eq!(
                inflate(&whole),
                Inflated::Whole(vec![1, 2, 3, 4, 5, 6, 7, 8])
            );
        }
    }

    #[test]
    fn exactly_as_much_as_is_allowed_is_taken() {
        let most = vec![0; MAX_INFLATED];
        assert_eq!(inflate(&deflate(&most)), Inflated::Whole(most));
        assert_eq!(
            inflate(&deflate(&vec![0; MAX_INFLATED + 1])),
            Inflated::TooLarge
        );
    }
}
