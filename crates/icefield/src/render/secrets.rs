use icefield_api::SecretStatus;
use icefield_spec::Name;

use super::{Table, time};

/// The secrets, without their values.
pub(crate) fn secrets(secrets: &[SecretStatus]) -> String {
    let mut table = Table::new(["NAME", "NAMESPACE", "VERSION", "SET", "BY", "USED BY"]);
    for secret in secrets {
        let services: Vec<&str> = secret.services.iter().map(Name::as_str).collect();
        table.row([
            secret.name.to_string(),
            secret.namespace.as_ref().map_or(String::new(), ToString::to_string),
            secret.version.to_string(),
            time(secret.set, "%Y-%m-%d %H:%M:%S"),
            secret.by.clone(),
            services.join(", "),
        ]);
    }
    table.render()
}
