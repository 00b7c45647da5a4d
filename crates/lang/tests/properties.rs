//! Whatever the text: no panic, every place is in a file, and either a spec or a reason why not.

mod common;

use common::{Texts, rendered, run};
use icefield_lang::{Evaluation, Limits, evaluate};
use proptest::prelude::*;

const EXAMPLES: [&str; 4] = [
    include_str!("design.star"),
    include_str!("placing.star"),
    include_str!("mistakes/load-mistake-inside.star"),
    include_str!("mistakes/failing-statements.star"),
];

fn sound(text: &str, evaluation: &Evaluation) {
    let files = Texts::split(text).0;
    assert_eq!(evaluation.spec.is_none(), evaluation.diagnostics.iter().any(icefield_lang::Diagnostic::is_error));
    for diagnostic in &evaluation.diagnostics {
        assert!(!diagnostic.message.is_empty() && !diagnostic.message.contains('\n'), "{}", diagnostic.message);
        let notes = diagnostic.notes.iter().filter_map(|note| note.place.as_ref());
        for place in diagnostic.place.iter().chain(notes) {
            let lines: Vec<&str> = files[&place.file].split('\n').collect();
            assert!(place.line >= 1 && place.end_line <= lines.len(), "{place:?}");
            assert!(place.column >= 1 && place.column <= lines[place.line - 1].chars().count() + 1, "{place:?}");
        }
    }
    rendered(evaluation);
}

/// An example with a piece of it replaced.
fn mutated() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(String::new()),
        "[ -~]{1,6}",
        "\\PC{1,3}",
        Just("None".to_owned()),
        Just("[]".to_owned()),
        Just("{}".to_owned()),
        Just("-1".to_owned()),
        Just("dynamic".to_owned()),
        Just("\"$X\"".to_owned()),
        Just("\n".to_owned()),
    ];
    (0..EXAMPLES.len(), any::<prop::sample::Index>(), 0usize..12, piece).prop_map(|(example, at, length, piece)| {
        let characters: Vec<char> = EXAMPLES[example].chars().collect();
        let at = at.index(characters.len());
        let end = (at + length).min(characters.len());
        characters[..at].iter().copied().chain(piece.chars()).chain(characters[end..].iter().copied()).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_mutated_file_is_handled(text in mutated()) {
        sound(&text, &run(&text, &[]));
    }

    #[test]
    fn junk_is_handled(text in "\\PC{0,200}") {
        sound(&text, &run(&text, &[]));
    }

    #[test]
    fn the_same_files_give_the_same(text in mutated()) {
        prop_assert_eq!(run(&text, &[]), run(&text, &[]));
    }
}

#[test]
fn small_limits_are_kept() {
    let text = include_str!("design.star");
    let tight = [
        Limits { steps: 1, ..Limits::default() },
        Limits { memory: 1, ..Limits::default() },
        Limits { depth: 0, ..Limits::default() },
        Limits { source: 10, ..Limits::default() },
        Limits { declarations: 2, ..Limits::default() },
    ];
    for limits in tight {
        let evaluation = evaluate("icefield.star", &Texts::split(text), &Default::default(), &limits);
        sound(text, &evaluation);
    }
    let limits = Limits { declarations: 2, ..Limits::default() };
    let evaluation = evaluate("icefield.star", &Texts::split(text), &Default::default(), &limits);
    assert!(rendered(&evaluation).contains("more than 2 things are declared"));
}
