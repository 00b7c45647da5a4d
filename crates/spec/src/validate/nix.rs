use super::Check;
use super::syntax::is_attribute_path;
use crate::NixSource;

impl Check<'_> {
    pub(super) fn nix_source(&mut self, at: &str, source: &NixSource) {
        let attribute = match source {
            NixSource::Reference(reference) => return self.flake_reference(at, reference),
            NixSource::File(file) => {
                let leads_out = file.file.starts_with('/') || file.file.split('/').any(|part| part == "..");
                if file.file.is_empty() || file.file.contains('\0') || leads_out {
                    let problem = self.report(at, format!("{:?} is no file beside the declaration", file.file));
                    problem.help = Some("name a file in the folder of the declaration, or below it".into());
                }
                &file.attribute
            }
            NixSource::Text(text) => {
                if text.text.trim().is_empty() {
                    self.report(at, "the expression is empty");
                }
                &text.attribute
            }
        };
        if !attribute.is_empty() && !is_attribute_path(attribute) {
            self.report(at, format!("{attribute:?} is not an attribute path"));
        }
    }

    /// An attribute path of nixpkgs, a path or a flake reference.
    pub(super) fn flake_reference(&mut self, at: &str, reference: &str) {
        if reference.trim().is_empty() {
            self.report(at, "the package is empty");
        } else if reference.starts_with('-') || reference.chars().any(|c| c.is_whitespace() || c.is_control()) {
            self.report(at, format!("{reference:?} is neither an attribute path nor a flake reference"));
        }
    }
}
