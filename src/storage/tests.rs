//! A database file in trouble.

mod failures;

use super::*;

/// As after a full disk: SQLite ended the transaction, and sqlx's own ROLLBACK fails.
#[tokio::test]
async fn a_transaction_that_sqlite_ended_by_itself_does_not_stop_all_writing() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open_dir(folder.path()).await.unwrap();
    for now in 0..3 {
        let mut tx = storage.begin().await.unwrap();
        sqlx::query("ROLLBACK").execute(&mut *tx).await.unwrap();
        drop(tx);
        storage.check_writable(now).await.unwrap();
    }
}

#[tokio::test]
async fn a_file_that_was_deleted_or_replaced_takes_no_more_writes() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open_dir(folder.path()).await.unwrap();
    let path = folder.path().join(FILE_NAME);
    storage.check_writable(1).await.unwrap();
    std::fs::rename(&path, folder.path().join("aside")).unwrap();
    let error = storage.check_writable(2).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("deleted or replaced"), "{error}");
    std::fs::write(&path, b"another file").unwrap();
    assert!(storage.check_file().await.is_err() && storage.begin().await.is_err());
    std::fs::rename(folder.path().join("aside"), &path).unwrap();
    storage.check_writable(3).await.unwrap();
}
