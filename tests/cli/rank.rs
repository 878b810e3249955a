//! `weathervane rank`: the ranking itself is tested through the server.

use crate::support::Folder;

#[test]
fn where_no_server_has_been_nothing_is_made() {
    let folder = Folder::new();
    let said = folder.complains("rank --project 1 --data-dir nowhere");
    assert!(said.contains("no database nowhere/weathervane.db") && said.contains("--data-dir"), "{said}");
    assert!(!folder.path("nowhere").exists());
}

#[test]
fn an_unknown_strategy_is_answered_with_those_there_are() {
    let said = Folder::new().complains("rank --project 1 --strategy best");
    assert!(said.contains("u-herding") && said.contains("cluster-margin"), "{said}");
}
