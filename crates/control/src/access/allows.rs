use icefield_api::{Access, ErrorCode, Role};

use super::Caller;

/// Why a caller may not do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// [`ErrorCode::Unauthenticated`] if it is not known who asks, [`ErrorCode::Forbidden`] if it is.
    pub code: ErrorCode,
    /// What it would have to be.
    pub message: String,
}

/// Whether `caller` may do something that `access` is needed for; `node` is the one that the path names, if it does.
///
/// # Errors
/// It may not; the message says who may.
pub fn allows(caller: &Caller, access: Access, node: Option<&str>) -> Result<(), Denied> {
    let allowed = match (access, caller) {
        (_, Caller::Local) | (Access::Anyone, _) => true,
        (Access::Node, Caller::Node(name)) => node == Some(name.as_str()),
        (Access::Machine, Caller::Node(_) | Caller::Server(_)) | (Access::Server, Caller::Server(_)) => true,
        (Access::Viewer, Caller::User { .. }) => true,
        (Access::Known, Caller::Node(_) | Caller::Server(_) | Caller::User { .. }) => true,
        (Access::Deployer, Caller::User { role, .. }) => *role >= Role::Deployer,
        (Access::DeployerOfAll, Caller::User { role, namespaces, .. }) => {
            *role >= Role::Deployer && namespaces.is_empty()
        }
        (Access::Admin, Caller::User { role, .. }) => *role == Role::Admin,
        _ => false,
    };
    if allowed {
        return Ok(());
    }
    Err(match caller {
        Caller::Nobody(reason) => {
            Denied { code: ErrorCode::Unauthenticated, message: format!("this is for {access}, and {reason}") }
        }
        Caller::User { name, role, namespaces } => {
            let only = match namespaces.is_empty() {
                true => String::new(),
                false => format!(
                    " for the namespaces {}",
                    namespaces.iter().map(|n| n.as_str()).collect::<Vec<_>>().join(", ")
                ),
            };
            let message = format!("this is for {access}, and {name} has the role {role}{only}");
            Denied { code: ErrorCode::Forbidden, message }
        }
        other => Denied { code: ErrorCode::Forbidden, message: format!("this is for {access}, and not for {other}") },
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use icefield_api::OPERATIONS;
    use icefield_spec::Name;

    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn user(role: Role, namespaces: &[&str]) -> Caller {
        Caller::User { name: name("anna"), role, namespaces: namespaces.iter().map(|text| name(text)).collect() }
    }

    /// Every operation with every kind of caller.
    #[test]
    fn table() {
        let callers = [
            ("local", Caller::Local),
            ("nobody", Caller::Nobody("there is neither a token nor a certificate")),
            ("node n1", Caller::Node(name("n1"))),
            ("node n2", Caller::Node(name("n2"))),
            ("server", Caller::Server(name("s1"))),
            ("viewer", user(Role::Viewer, &[])),
            ("deployer of a namespace", user(Role::Deployer, &["shop"])),
            ("deployer", user(Role::Deployer, &[])),
            ("admin", user(Role::Admin, &[])),
        ];
        let mut table = String::new();
        for operation in OPERATIONS {
            let may = callers.iter().filter(|(_, caller)| allows(caller, operation.access(), Some("n1")).is_ok());
            let may: Vec<&str> = may.map(|(words, _)| *words).collect();
            let _ = writeln!(table, "{:<18} {:<15} {}", operation.id, operation.access().word(), may.join(", "));
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn says_which_role_is_needed_and_whether_it_is_known_who_asks() {
        let denied = allows(&user(Role::Viewer, &[]), Access::Admin, None).unwrap_err();
        assert_eq!(denied.code, ErrorCode::Forbidden);
        assert_eq!(denied.message, "this is for the role admin, and anna has the role viewer");
        let denied = allows(&user(Role::Deployer, &["shop"]), Access::DeployerOfAll, None).unwrap_err();
        assert!(denied.message.ends_with("anna has the role deployer for the namespaces shop"), "{}", denied.message);
        let denied = allows(&Caller::Nobody("this token has ended"), Access::Viewer, None).unwrap_err();
        assert_eq!(denied.code, ErrorCode::Unauthenticated);
        assert_eq!(denied.message, "this is for the role viewer, and this token has ended");
    }

    #[test]
    fn a_node_is_only_itself() {
        let node = Caller::Node(name("n1"));
        assert!(allows(&node, Access::Node, Some("n1")).is_ok());
        for other in [None, Some("n2"), Some("n%31"), Some("")] {
            assert_eq!(allows(&node, Access::Node, other).unwrap_err().code, ErrorCode::Forbidden);
        }
    }
}
