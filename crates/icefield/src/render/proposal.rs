use std::fmt::Write as _;

use console::style;
use icefield_api::RebalanceProposal;
use icefield_placement::{Change, ChangeKind};

use crate::render::{Table, count};

/// How many changes are listed one by one.
const LISTED: usize = 40;

/// A better layout: what it gains, and what moves.
pub(crate) fn proposal(proposal: &RebalanceProposal) -> String {
    let RebalanceProposal { before, after, changes, .. } = proposal;
    if changes.is_empty() {
        return format!("No better layout was found: it costs {before:.2} points.\n");
    }
    let mut table = Table::new(["", "REPLICA", "FROM", "TO", "BECAUSE"]);
    for change in changes.iter().take(LISTED) {
        table.row(row(change));
    }
    let mut text = table.render();
    if changes.len() > LISTED {
        let _ = writeln!(text, "  … and {} more", changes.len() - LISTED);
    }
    let gain = style(format!("{:.2}", before - after)).green().bold();
    let share = if *before > 0.0 { format!(" ({:.1} %)", (before - after) / before * 100.0) } else { String::new() };
    let moves = count(changes.len() as u64, "move");
    let _ = writeln!(
        text,
        "\nThe layout costs {before:.2} points; {moves} would make that {after:.2}: {gain} less{share}."
    );
    text
}

fn row(change: &Change) -> [String; 5] {
    let (sign, from, to) = match &change.kind {
        ChangeKind::Place { to } => (style("+").green(), None, Some(&to.node)),
        ChangeKind::Move { from, to } => (style("~").yellow(), Some(from), Some(&to.node)),
        ChangeKind::Replace { to } => (style("~").yellow(), Some(&to.node), Some(&to.node)),
        ChangeKind::Remove { from } => (style("-").red(), Some(from), None),
    };
    let name = |node: Option<&icefield_spec::Name>| node.map_or_else(|| "nowhere".into(), ToString::to_string);
    [sign.to_string(), change.replica.to_string(), name(from), name(to), change.reason.clone()]
}

#[cfg(test)]
mod tests {
    use icefield_placement::Assignment;
    use icefield_spec::Revision;
    use insta::assert_snapshot;

    use super::*;

    fn shown(changes: Vec<Change>) -> String {
        let text = proposal(&RebalanceProposal { schema: 1, version: 7, before: 120.5, after: 90.0, changes });
        console::strip_ansi_codes(&text).into_owned()
    }

    #[test]
    fn says_what_moves_and_what_that_gains() {
        let to = |node: &str| Assignment {
            node: node.parse().unwrap(),
            revision: Revision::of("web"),
            ports: Default::default(),
        };
        let change = |text: &str, kind| Change { replica: text.parse().unwrap(), kind, reason: "less crowded".into() };
        let changes = vec![
            change("web/0", ChangeKind::Move { from: "n1".parse().unwrap(), to: to("n12") }),
            change("web/11", ChangeKind::Place { to: to("n1") }),
        ];
        assert_snapshot!(shown(changes), @r"
           REPLICA  FROM     TO   BECAUSE
        ~  web/0    n1       n12  less crowded
        +  web/11   nowhere  n1   less crowded

        The layout costs 120.50 points; 2 moves would make that 90.00: 30.50 less (25.3 %).
        ");
        assert_snapshot!(shown(Vec::new()), @"No better layout was found: it costs 120.50 points.");
    }
}
