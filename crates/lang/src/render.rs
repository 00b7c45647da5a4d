use annotate_snippets::{AnnotationKind, Element, Group, Level as Title, Origin, Renderer, Snippet};

use crate::{Diagnostic, Level, Note, Place};

impl Diagnostic {
    /// The diagnostic as a person reads it: message, place, the text underlined, help and notes; without a final newline.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let title = match self.level {
            Level::Error => Title::ERROR,
            Level::Warning => Title::WARNING,
        };
        let main = Group::with_title(title.primary_title(clean(&self.message)));
        let Some(place) = &self.place else {
            // Without a line to hang from, each part stands by itself.
            let help = self.help.iter().map(|help| Title::HELP.secondary_title(clean(help)));
            let notes = self.notes.iter().map(|note| Title::NOTE.secondary_title(clean(&note.message)));
            let parts = std::iter::once(main).chain(help.chain(notes).map(Group::with_title));
            let lines: Vec<String> = parts.map(|part| renderer.render(&[part])).collect();
            return lines.join("\n");
        };
        let (placed, plain): (Vec<&Note>, Vec<&Note>) = self.notes.iter().partition(|note| note.place.is_some());
        let main = main
            .element(element(place, self.label.as_deref()))
            .elements(self.help.iter().map(|help| Title::HELP.message(clean(help))))
            .elements(plain.iter().map(|note| Title::NOTE.message(clean(&note.message))));
        let mut groups = vec![main];
        groups.extend(placed.iter().map(|note| {
            let title = Title::NOTE.secondary_title(clean(&note.message));
            Group::with_title(title).elements(note.place.iter().map(|place| element(place, None)))
        }));
        // Source lines are padded by the renderer; nobody wants to see that in a terminal or a diff.
        let text = renderer.render(&groups);
        text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }
}

fn element<'a>(place: &'a Place, label: Option<&str>) -> Element<'a> {
    match &place.excerpt {
        Some(excerpt) => {
            let annotation = AnnotationKind::Primary.span(excerpt.start..excerpt.end).label(label.map(clean));
            Snippet::source(excerpt.text.as_str())
                .line_start(place.line)
                .path(place.file.as_str())
                .annotation(annotation)
                .into()
        }
        None => Origin::path(place.file.as_str()).line(place.line).char_column(place.column).into(),
    }
}

/// Text from a file may hold anything; nothing of it may steer a terminal.
fn clean(text: &str) -> String {
    annotate_snippets::normalize_untrusted_str(text)
}
