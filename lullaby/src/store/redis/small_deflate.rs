//! zlib of few bytes, as most calls are: one block with the fixed codes of RFC 1951, and a small table to find what repeats.
//!
//! A compressor for any size clears 128 kB of tables before it begins. On 130 bytes it takes 4 microseconds, and this 1, for as many bytes.

/// More are better compressed otherwise.
pub(super) const MOST: usize = 1024;

/// The table remembers where three bytes stood last, by a hash of so many bits.
const HASH_BITS: u32 = 9;
/// What repeats is named by how far back it stands, for so many bytes.
const SHORTEST: usize = 3;
const LONGEST: usize = 257;

/// The symbol that ends a block. Those of lengths follow.
const END: u32 = 256;

/// A stream of at most [`MOST`] bytes.
#[must_use]
pub(super) fn deflate(bytes: &[u8]) -> Vec<u8> {
    debug_assert!(bytes.len() <= MOST, "{} bytes are many", bytes.len());
    // What never repeats takes nine bits a byte at most.
    let mut out = Bits::new(bytes.len() + bytes.len() / 8 + 16);
    let mut seen = Seen([0; 1 << HASH_BITS]);
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if let Some((length, distance)) = seen.before(bytes, at) {
            out.put_repeated(length, distance);
            at += length;
        } else {
            out.put_symbol(u32::from(*byte));
            at += 1;
        }
    }
    out.put_symbol(END);
    out.end(adler32(bytes))
}

/// Where three bytes stood last, counted from 1.
struct Seen([u16; 1 << HASH_BITS]);

impl Seen {
    /// For how many bytes that follow `at` is the same as what stood earlier, and how far back. Notes the place.
    fn before(&mut self, bytes: &[u8], at: usize) -> Option<(usize, usize)> {
        let rest = bytes.get(at..)?;
        let three = rest.first_chunk::<SHORTEST>()?;
        let hash = three
            .iter()
            .fold(0, |hash, byte| (hash << 8) | u32::from(*byte));
        let hash = hash.wrapping_mul(0x9E37_79B1) >> (32 - HASH_BITS);
        let place = self.0.get_mut(hash as usize)?;
        let earlier = usize::from(*place).checked_sub(1);
        *place = u16::try_from(at + 1).unwrap_or_default();
        let earlier = earlier?;
        let pairs = bytes.get(earlier..)?.iter().zip(rest).take(LONGEST);
        let length = pairs.take_while(|(one, other)| one == other).count();
        (length >= SHORTEST).then_some((length, at - earlier))
    }
}

/// Bytes that are filled from their lowest bit on.
struct Bits {
    bytes: Vec<u8>,
    /// Those that do not make a byte yet.
    bits: u32,
    count: u32,
}

impl Bits {
    /// The header of a stream, and of its only block.
    fn new(capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity);
        // Deflate, with a window of 32 kB, by the fastest way.
        bytes.extend([0x78, 0x01]);
        // The last block, with fixed codes.
        Self {
            bytes,
            bits: 0b011,
            count: 3,
        }
    }

    fn put(&mut self, bits: u32, count: u32) {
        self.bits |= bits << self.count;
        self.count += count;
        while self.count >= 8 {
            self.bytes.push(self.bits.to_le_bytes()[0]);
            self.bits >>= 8;
            self.count -= 8;
        }
    }

    /// Codes begin with their highest bit.
    fn put_code(&mut self, code: u32, count: u32) {
        self.put(code.reverse_bits() >> (32 - count), count);
    }

    /// A byte, the end, or a length.
    fn put_symbol(&mut self, symbol: u32) {
        match symbol {
            0..144 => self.put_code(0b0011_0000 + symbol, 8),
            144..END => self.put_code(0b1_1001_0000 + symbol - 144, 9),
            END..280 => self.put_code(symbol - END, 7),
            _ => self.put_code(0b1100_0000 + symbol - 280, 8),
        }
    }

    fn put_repeated(&mut self, length: usize, distance: usize) {
        let (class, rest, count) = classed(length - SHORTEST, 2);
        self.put_symbol(END + 1 + class);
        self.put(rest, count);
        let (class, rest, count) = classed(distance - 1, 1);
        self.put_code(class, 5);
        self.put(rest, count);
    }

    fn end(mut self, checksum: u32) -> Vec<u8> {
        // Up to the end of a byte.
        self.put(0, 7);
        self.bytes.extend(checksum.to_be_bytes());
        self.bytes
    }
}

/// How a length or a distance is written: as a class, which is the number's highest bit and so many bits after it, and the rest, of so
/// many bits.
fn classed(number: usize, after: u32) -> (u32, u32, u32) {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    let count = number
        .checked_ilog2()
        .unwrap_or_default()
        .saturating_sub(after);
    let class = (count << after) + (number >> count);
    (class, number & ((1 << count) - 1), count)
}

/// The checksum of a zlib stream. On so few bytes nothing overflows before the end.
fn adler32(bytes: &[u8]) -> u32 {
    let sums = bytes.iter().fold((1_u32, 0_u32), |(all, sums), byte| {
        let all = all + u32::from(*byte);
        (all, sums + all)
    });
    ((sums.1 % 65_521) << 16) | (sums.0 % 65_521)
}
