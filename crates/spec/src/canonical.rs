use crate::{Problem, Revision, Spec};

impl Spec {
    /// The canonical JSON: struct fields in their declared order, maps by key, quantities in their exact text, no white
    /// space. Equal specs give equal bytes.
    pub fn canonical_json(&self) -> String {
        serde_json::to_string(self).expect("a spec can be written as JSON")
    }

    /// The revision of the whole: the hash of the canonical JSON.
    pub fn revision(&self) -> Revision {
        Revision::of(self)
    }

    /// Reads a spec from JSON and validates it.
    ///
    /// # Errors
    /// One problem with line and column if the text is no spec; else all that [`Spec::validate`] finds.
    pub fn from_json(text: &str) -> Result<Self, Vec<Problem>> {
        let spec: Self = serde_json::from_str(text).map_err(|error| vec![Problem::new("", error.to_string())])?;
        let problems = spec.validate();
        if problems.is_empty() { Ok(spec) } else { Err(problems) }
    }
}
