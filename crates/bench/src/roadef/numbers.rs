use std::iter::Peekable;
use std::ops::RangeInclusive;

/// The whole numbers of a text, each with its line, and what each is to be.
pub(super) struct Numbers<'a> {
    words: Peekable<Box<dyn Iterator<Item = (usize, &'a str)> + 'a>>,
    lines: usize,
}

impl<'a> Numbers<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let lines = text.lines().enumerate();
        let words = lines.flat_map(|(line, text)| text.split_ascii_whitespace().map(move |word| (line + 1, word)));
        let words: Box<dyn Iterator<Item = (usize, &'a str)> + 'a> = Box::new(words);
        Self { words: words.peekable(), lines: text.lines().count() }
    }

    /// The next number, which is in the range; `what` says what it is, for when it is not.
    pub(super) fn next(&mut self, range: RangeInclusive<i64>, what: impl Fn() -> String) -> Result<i64, String> {
        let Some((line, word)) = self.words.next() else {
            return Err(format!("it ends after line {}; {} is missing", self.lines, what()));
        };
        match word.parse::<i64>() {
            Ok(number) if range.contains(&number) => Ok(number),
            Ok(number) => {
                let (least, most) = range.into_inner();
                let bounds = match most {
                    i64::MAX => format!("at least {least}"),
                    _ if most < least => "nothing, for there are none".to_owned(),
                    _ => format!("from {least} to {most}"),
                };
                Err(format!("line {line}: {} is {number}; it must be {bounds}", what()))
            }
            Err(_) => Err(format!("line {line}: `{word}` is no whole number; {} goes there", what())),
        }
    }

    /// The next number, which is not less than 0.
    pub(super) fn amount(&mut self, what: impl Fn() -> String) -> Result<i64, String> {
        self.next(0..=i64::MAX, what)
    }

    /// The next number, which is an index of one of so many.
    pub(super) fn index(&mut self, count: usize, what: impl Fn() -> String) -> Result<u32, String> {
        let most = i64::try_from(count).unwrap_or(i64::MAX).min(i64::from(u32::MAX)) - 1;
        Ok(self.next(0..=most, what)? as u32)
    }

    /// The next number, which says how many of something follow.
    pub(super) fn count(&mut self, what: impl Fn() -> String) -> Result<usize, String> {
        Ok(self.next(0..=i64::from(u32::MAX) - 1, what)? as usize)
    }

    /// That there is no further number.
    pub(super) fn end(mut self) -> Result<(), String> {
        match self.words.next() {
            Some((line, word)) => Err(format!("line {line}: nothing more should follow, but `{word}` does")),
            None => Ok(()),
        }
    }
}
