use std::collections::BTreeMap;

use icefield_dns::SUFFIX;
use icefield_spec::Name;

/// Tells a replica of `cluster` the names of the services that it uses: `DB_HOST` is `db.shop.icefield`. What it is given
/// already stays.
pub(crate) fn tell(variables: &mut BTreeMap<String, String>, cluster: &Name, uses: &[Name]) {
    for used in uses {
        let variable = format!("{}_HOST", used.as_str().to_ascii_uppercase().replace('-', "_"));
        variables.entry(variable).or_insert_with(|| format!("{used}.{cluster}.{SUFFIX}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_has_a_host_unless_the_file_says_another() {
        let name = |text: &str| Name::new(text).unwrap();
        let mut variables = BTreeMap::from([("DB_HOST".to_owned(), "elsewhere".to_owned())]);
        tell(&mut variables, &name("shop"), &[name("db"), name("order-log")]);
        assert_eq!(variables.len(), 2);
        assert_eq!(variables["DB_HOST"], "elsewhere");
        assert_eq!(variables["ORDER_LOG_HOST"], "order-log.shop.icefield");
    }
}
