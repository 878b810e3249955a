//! Pace of the writes to Label Studio: their size, and the pause after each.
//!
//! Its open edition stands on SQLite with one writer: whatever we write, an annotator's submit waits for.

use std::time::Duration;

use super::rows::Turn;

/// Of Label Studio's time our writes take one part in so many.
const SHARE: u32 = 5;

/// Pause after a write, at most: on a Label Studio so slow that a fifth can't be kept, an order gets no older than some
/// fifteen seconds.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// From one order to the next while more than one person labels: none gets older than fifteen seconds, and so few submits meet
/// a write that nineteen in twenty are as quick as without us.
const BUSY_CADENCE: Duration = Duration::from_secs(12);

/// A write shall take no longer than this.
const STINT: Duration = Duration::from_secs(1);

/// Rows changed at once: it bridges the way to Label Studio, whose SQLite takes them one by one.
pub(super) const CHANGES_AT_ONCE: usize = 3;

/// Changing rows in place shall take no longer: new ones, which come in one request, are cheaper then.
const LONGEST_CHANGE: Duration = Duration::from_secs(3);

/// New rows in one request, by how long a request takes at most: 1.5 ms each, in which no submit is stored. On a long way it is
/// the way that costs, and beyond these all go in one.
const PARTS: [(Duration, usize); 2] = [(Duration::from_millis(250), 30), (Duration::from_millis(1_500), 100)];

/// Fewest tasks at the head of an order: where others hold all that are left of it, Label Studio tells an annotator that there
/// is nothing to do.
pub(super) const HEAD: usize = 60;

/// The same where it isn't known yet how fast people label: enough for five who submit every second, until the next order.
const FIRST_HEAD: usize = 120;

/// The head holds what is answered within so long at the highest speed of late: more than twice the time to the next order.
const HEAD_LASTS: Duration = Duration::from_secs(30);

/// Maximum age of a labelling speed: an older one is no measure of the present one.
pub(super) const SPEED_KNOWN_FOR: Duration = Duration::from_secs(60);

/// Tasks a second: more than one person answers. Label Studio works 50 ms for each task that it asks about, and is one process.
const BUSY: f64 = 1.0;

/// Minimum duration over which a speed is computed.
const SPEED_TAKES: Duration = Duration::from_secs(1);

/// Fewest tasks of an order's rest that are written at once, however slow Label Studio is.
const LEAST: usize = 30;

/// Weight of the newest measurement in the running mean.
const NEWEST: f64 = 0.5;

/// Measured speed of one Label Studio.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Seconds that a new prediction takes to be stored, among others.
    seconds_a_row: Option<f64>,
    /// Seconds that a request takes which changes one thing.
    seconds_a_request: Option<f64>,
}

impl Pace {
    /// Tasks a second that were answered at the fastest. `answered`: for each order of late how many tasks went out of the pool
    /// since it was made, and how long ago that was.
    pub fn highest(answered: impl IntoIterator<Item = (usize, Duration)>) -> Option<f64> {
        answered.into_iter().map(|(tasks, since)| speed(tasks, since)).reduce(f64::max)
    }

    /// Tasks of a new order to write before Label Studio follows it, where so many a second were answered at the fastest.
    pub fn head(highest: Option<f64>) -> usize {
        highest.map_or(FIRST_HEAD, |a_second| HEAD.max((a_second * HEAD_LASTS.as_secs_f64()).ceil() as usize))
    }

    /// Returns `true` if more than one person labels, where so many tasks were answered since.
    pub fn is_busy(tasks: usize, since: Duration) -> bool {
        Self::is_fast(speed(tasks, since))
    }

    /// The same of so many tasks a second.
    pub fn is_fast(a_second: f64) -> bool {
        a_second > BUSY
    }

    /// Tasks to write at once when it is quiet.
    pub fn chunk(&self) -> usize {
        self.fitting().max(LEAST)
    }

    /// Predictions that are stored within a [`STINT`].
    fn fitting(&self) -> usize {
        self.seconds_a_row.map_or(HEAD, |seconds| (STINT.as_secs_f64() / seconds.max(1e-6)) as usize)
    }

    /// Way of bringing rows up to date where that takes so many requests.
    pub fn turn(&self, requests: usize) -> Turn {
        let seconds = requests as f64 * self.seconds_a_request.unwrap_or_default() / CHANGES_AT_ONCE as f64;
        if seconds > LONGEST_CHANGE.as_secs_f64() { Turn::Many } else { Turn::Two }
    }

    /// New rows to send in one request.
    pub fn part(&self) -> usize {
        let seconds = self.seconds_a_request.unwrap_or_default();
        let part = PARTS.iter().find(|(longest, _)| seconds <= longest.as_secs_f64());
        part.map_or(usize::MAX, |(_, rows)| *rows)
    }

    /// `rows` new predictions were stored within `took`.
    pub fn note_rows(&mut self, rows: usize, took: Duration) {
        note(&mut self.seconds_a_row, took, rows as f64);
    }

    /// One request after the other, `requests` changes were made within `took`.
    pub fn note_requests(&mut self, requests: f64, took: Duration) {
        note(&mut self.seconds_a_request, took, requests);
    }

    /// Time for which Label Studio is left alone after it worked for us.
    pub fn pause(worked: Duration, is_busy: bool) -> Duration {
        let least = if is_busy { BUSY_CADENCE.saturating_sub(worked) } else { Duration::ZERO };
        (worked * (SHARE - 1)).min(LONGEST_PAUSE).max(least)
    }
}

/// Tasks a second.
fn speed(tasks: usize, since: Duration) -> f64 {
    tasks as f64 / since.max(SPEED_TAKES).as_secs_f64()
}

fn note(mean: &mut Option<f64>, took: Duration, times: f64) {
    if times > 0.0 {
        let now = took.as_secs_f64() / times;
        *mean = Some(mean.map_or(now, |before| before + NEWEST * (now - before)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_label_studio_is_given_less_at_once_and_left_alone_for_longer() {
        let mut pace = Pace::default();
        pace.note_rows(30, Duration::from_millis(60));
        assert_eq!(pace.chunk(), 500);
        for _ in 0..10 {
            pace.note_rows(10, Duration::from_secs(2));
        }
        assert_eq!(pace.chunk(), LEAST);
        assert_eq!(Pace::pause(Duration::from_millis(150), false), Duration::from_millis(600));
        assert_eq!(Pace::pause(Duration::from_millis(150), true), Duration::from_millis(11_850));
        assert_eq!(Pace::pause(Duration::from_secs(5), true), LONGEST_PAUSE);
        assert_eq!(Pace::pause(Duration::from_secs(60), false), LONGEST_PAUSE);
    }

    #[test]
    fn an_order_begins_with_what_is_answered_in_half_a_minute_at_the_highest_speed_of_late() {
        let ago = |answered, seconds| (answered, Duration::from_secs(seconds));
        let head = |answered: &[(usize, Duration)]| Pace::head(Pace::highest(answered.iter().copied()));
        assert_eq!(head(&[]), FIRST_HEAD);
        assert_eq!((head(&[ago(0, 10)]), head(&[ago(50, 10)])), (HEAD, 150));
        // Nobody answered since the last order a moment ago, but before.
        assert_eq!(head(&[ago(100, 40), ago(25, 10), ago(0, 1)]), 75);
        assert_eq!(head(&[(2, Duration::from_millis(100))]), HEAD);
    }

    #[test]
    fn one_person_however_quick_is_not_many() {
        let in_time = |tasks, millis| Pace::is_busy(tasks, Duration::from_millis(millis));
        assert_eq!([in_time(0, 0), in_time(1, 100), in_time(9, 10_000)], [false; 3]);
        assert_eq!([in_time(2, 600), in_time(21, 20_000)], [true; 2]);
    }

    #[test]
    fn rows_are_changed_in_place_where_that_is_quick_and_new_ones_go_in_parts() {
        let mut pace = Pace::default();
        assert_eq!((pace.turn(60), pace.part()), (Turn::Two, 30));
        pace.note_requests(1.0, Duration::from_millis(80));
        assert_eq!((pace.turn(100), pace.turn(150), pace.part()), (Turn::Two, Turn::Many, 30));
        pace.note_requests(1.0, Duration::from_secs(1));
        assert_eq!((pace.turn(30), pace.part()), (Turn::Many, 100));
        pace.note_requests(1.0, Duration::from_secs(5));
        assert_eq!(pace.part(), usize::MAX);
    }
}
