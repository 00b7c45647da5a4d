use std::collections::BTreeMap;

use icefield_lang::{Evaluation, Limits, LoadError, Loader, evaluate};

/// Files that are texts of the test, by path.
pub(crate) struct Texts(pub(crate) BTreeMap<String, String>);

impl Loader for Texts {
    fn read(&self, path: &str) -> Result<String, LoadError> {
        self.0.get(path).cloned().ok_or(LoadError::Missing)
    }
}

impl Texts {
    /// `icefield.star`, and after each line `# file: PATH` another file.
    pub(crate) fn split(text: &str) -> Self {
        let mut files = BTreeMap::from([("icefield.star".to_owned(), String::new())]);
        let mut current = "icefield.star".to_owned();
        for line in text.lines() {
            match line.strip_prefix("# file: ") {
                Some(path) => current = path.to_owned(),
                None => {
                    let file = files.entry(current.clone()).or_default();
                    file.push_str(line);
                    file.push('\n');
                }
            }
        }
        Self(files)
    }
}

/// Evaluates a text in the form of [`Texts::split`].
pub(crate) fn run(text: &str, vars: &[(&str, &str)]) -> Evaluation {
    let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    evaluate("icefield.star", &Texts::split(text), &vars, &Limits::default())
}

/// All diagnostics as a person sees them.
pub(crate) fn rendered(evaluation: &Evaluation) -> String {
    let texts: Vec<String> = evaluation.diagnostics.iter().map(|diagnostic| diagnostic.render(false)).collect();
    texts.join("\n\n")
}
