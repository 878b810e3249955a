//! Times of a clock that ran ahead.

use std::time::Duration;

use super::{Result, Storage};

/// Clocks of machines on one database may differ by so much.
const TOLERANCE: Duration = Duration::from_secs(60);

impl Storage {
    /// Takes what was written by a clock that ran ahead as old: rows received in the future, which no export would ever
    /// repair, and leases and due times that would block trainings until then. `now` in Unix microseconds;
    /// `longest`: no lease and no wait of a job is longer. Gives the number of rows.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn mend_future(&self, now: i64, longest: Duration) -> Result<u64> {
        let micros = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        let latest = now.saturating_add(micros(TOLERANCE));
        let ahead = latest.saturating_add(micros(longest));
        let mut mended = 0;
        let mut tx = self.begin().await?;
        // As every transaction: the projects' rows first.
        sqlx::query("UPDATE projects SET last_seen_at = last_seen_at").execute(&mut *tx).await?;
        for (sql, after) in [
            ("UPDATE tasks SET received_at = $1 WHERE received_at > $2", latest),
            ("UPDATE annotations SET received_at = $1 WHERE received_at > $2", latest),
            (
                "UPDATE jobs SET not_before = $1, deadline = $1 WHERE state = 'queued' AND not_before > $2",
                ahead,
            ),
            ("UPDATE jobs SET lease_until = $1 WHERE state = 'running' AND lease_until > $2", ahead),
        ] {
            mended += sqlx::query(sql).bind(now).bind(after).execute(&mut *tx).await?.rows_affected();
        }
        tx.commit().await?;
        Ok(mended)
    }
}
