use std::ops::Range;

/// The part of a body that a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// These bytes.
    Bytes(Range<u64>),
    /// Bytes that there are none of.
    Nowhere,
}

/// Reads a `Range` for a body of `size` bytes. One that is not understood, or asks for several parts, is for all of it, as
/// HTTP has it.
pub(super) fn part(range: Option<&str>, size: u64) -> Part {
    let Some((from, to)) = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-')) else {
        return Part::Whole;
    };
    let number =
        |text: &str| (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse::<u64>());
    match (number(from), number(to)) {
        (Some(Ok(from)), None) if to.is_empty() => range_of(from..size),
        (Some(Ok(from)), Some(to)) => {
            let to = to.unwrap_or(u64::MAX);
            if to < from { Part::Whole } else { range_of(from..to.saturating_add(1).min(size)) }
        }
        (None, Some(last)) if from.is_empty() => range_of(size.saturating_sub(last.unwrap_or(u64::MAX))..size),
        (Some(Err(_)), _) => Part::Nowhere,
        _ => Part::Whole,
    }
}

fn range_of(range: Range<u64>) -> Part {
    if range.is_empty() { Part::Nowhere } else { Part::Bytes(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_has_them() {
        for (text, expected) in [
            ("bytes=0-", Part::Bytes(0..100)),
            ("bytes=10-19", Part::Bytes(10..20)),
            ("bytes=90-1000", Part::Bytes(90..100)),
            ("bytes=-10", Part::Bytes(90..100)),
            ("bytes=-1000", Part::Bytes(0..100)),
            ("bytes=5-99999999999999999999999", Part::Bytes(5..100)),
            ("bytes=100-", Part::Nowhere),
            ("bytes=-0", Part::Nowhere),
            ("bytes=99999999999999999999999-", Part::Nowhere),
            ("bytes=20-10", Part::Whole),
            ("bytes=0-1,5-6", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("lines=1-2", Part::Whole),
        ] {
            assert_eq!(part(Some(text), 100), expected, "{text}");
        }
        assert_eq!(part(None, 100), Part::Whole);
        assert_eq!(part(Some("bytes=0-"), 0), Part::Nowhere);
    }
}
