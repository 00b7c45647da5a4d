use std::sync::LazyLock;

/// Nix's alphabet: no letter that spells words (`e`, `o`, `u`, `t`).
const ALPHABET: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";

/// What each byte stands for; 255 for those that stand for nothing.
static VALUES: LazyLock<[u8; 256]> = LazyLock::new(|| {
    let mut values = [255; 256];
    for (value, letter) in (0..).zip(ALPHABET) {
        values[usize::from(*letter)] = value;
    }
    values
});

/// Writes bytes as Nix does: five bits a letter, the last ones first.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let letters = (bytes.len() * 8).div_ceil(5);
    (0..letters)
        .rev()
        .map(|n| {
            let (byte, bit) = (n * 5 / 8, n * 5 % 8);
            let low = u16::from(bytes[byte]);
            let high = u16::from(bytes.get(byte + 1).copied().unwrap_or_default());
            char::from(ALPHABET[usize::from((low | high << 8) >> bit & 31)])
        })
        .collect()
}

/// Reads what [`encode`] writes of `N` bytes; `None` if it is anything else.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != (N * 8).div_ceil(5) {
        return None;
    }
    let mut bytes = [0; N];
    for (n, letter) in text.bytes().rev().enumerate() {
        let value = VALUES[usize::from(letter)];
        if value == 255 {
            return None;
        }
        let (byte, bit) = (n * 5 / 8, n * 5 % 8);
        let spread = u16::from(value) << bit;
        bytes[byte] |= (spread & 255) as u8;
        let carried = (spread >> 8) as u8;
        match bytes.get_mut(byte + 1) {
            Some(next) => *next |= carried,
            None if carried != 0 => return None,
            None => {}
        }
    }
    Some(bytes)
}

/// Whether `letter` is of the alphabet.
pub(crate) fn is_letter(letter: u8) -> bool {
    VALUES[usize::from(letter)] != 255
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_empty_hash_is_written_as_nix_does() {
        let hash = ring::digest::digest(&ring::digest::SHA256, b"");
        assert_eq!(encode(hash.as_ref()), "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73");
    }

    #[test]
    fn bits_that_no_byte_has_are_refused() {
        assert_eq!(decode::<1>("7z"), Some([255]));
        assert_eq!(decode::<1>("8z"), None);
        assert_eq!(decode::<1>("7e"), None);
        assert_eq!(decode::<1>("7zz"), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bytes: [u8; 32]) {
            prop_assert_eq!(decode::<32>(&encode(&bytes)), Some(bytes));
        }

        #[test]
        fn whatever_is_read_is_written_alike(text in "[0-9a-z]{52}") {
            if let Some(bytes) = decode::<32>(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}
