//! Annotations: people's answers, kept so that late, repeated and reordered deliveries do no harm.

mod merge;

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, FromRow, Row};

use super::projects::{self, Project, ProjectInfo};
use super::sql::{ROW_CHUNK, keep_prepared, lists, placeholders, rows};
use super::{Result, Storage, StorageError, TaskRecord, Tx, tasks};
use crate::domain::annotation::Annotation;
use crate::domain::ids::{AnnotationId, ProjectId, TaskId};
use crate::domain::label_config::{ChoiceKind, LabelConfig};
use merge::{Merge, Stored};

/// Annotations of a project that are not deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnnotationCounts {
    /// Those that are no skips, empty ones too.
    pub live: i64,
    /// Those that are skips.
    pub cancelled: i64,
}

/// Content of Label Studio's export at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Export<'a> {
    /// Every annotation of the project, skips too.
    pub annotations: &'a [Annotation],
    /// The tasks in it.
    pub tasks: &'a [TaskRecord],
    /// `true` if the tasks are all of the project, not only those with annotations: others are deleted.
    pub all_tasks: bool,
    /// Time of the request for the export, Unix microseconds: what was received since then is newer than the export.
    pub started_at: i64,
}

/// Numbers of changes that an export made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Annotations that were missing here.
    pub added: u64,
    /// Annotations that teach something else than before.
    pub changed: u64,
    /// Annotations that Label Studio no longer has.
    pub removed: u64,
    /// Tasks that were missing here or differed.
    pub tasks_changed: u64,
    /// Tasks that Label Studio no longer has.
    pub tasks_removed: u64,
    /// Label changes among all this: what training has to catch up with.
    pub label_changes: i64,
}

impl Storage {
    /// The annotations of a project that are not deleted, skips too, by id.
    ///
    /// # Errors
    /// Returns an error if the database fails or a row can't be read.
    pub async fn annotations(&self, project: ProjectId) -> Result<Vec<Annotation>> {
        Ok(sqlx::query_as(
            "SELECT * FROM annotations WHERE project_id = $1 AND deleted_at IS NULL AND task_id IS NOT NULL
             ORDER BY annotation_id",
        )
        .bind(project.0)
        .fetch_all(&self.read)
        .await?)
    }

    /// The annotations of the tasks `ids` that are not deleted, skips too, in no order.
    ///
    /// # Errors
    /// Returns an error if the database fails or a row can't be read.
    pub async fn annotations_of(&self, project: ProjectId, ids: &[TaskId]) -> Result<Vec<Annotation>> {
        let mut found = Vec::new();
        for list in lists(ids) {
            let sql = format!(
                "SELECT * FROM annotations WHERE project_id = $1 AND deleted_at IS NULL AND task_id IN ({})",
                placeholders(2, list.len())
            );
            let mut query = sqlx::query_as(AssertSqlSafe(sql)).bind(project.0);
            for id in list {
                query = query.bind(id.0);
            }
            found.extend(query.fetch_all(&self.read).await?);
        }
        Ok(found)
    }

    /// Counts the answers and the skips of a project.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn annotation_counts(&self, project: ProjectId) -> Result<AnnotationCounts> {
        let (live, cancelled) = sqlx::query_as(
            "SELECT COUNT(CASE WHEN was_cancelled = 0 THEN 1 END), COUNT(CASE WHEN was_cancelled <> 0 THEN 1 END)
             FROM annotations WHERE project_id = $1 AND deleted_at IS NULL",
        )
        .bind(project.0)
        .fetch_one(&self.read)
        .await?;
        Ok(AnnotationCounts { live, cancelled })
    }

    /// Makes what is stored equal to Label Studio's export, except for rows received or deleted since it was asked for,
    /// and counts the label changes of the project on. One transaction.
    ///
    /// # Errors
    /// Returns an error if the database fails; then nothing is changed.
    pub async fn replace_from_export(
        &self,
        project: ProjectId,
        export: &Export<'_>,
        now: i64,
    ) -> Result<Reconciled> {
        let mut tx = self.begin().await?;
        let known = projects::ensure(&mut tx, project, now).await?;
        let tasks_changed =
            tasks::upsert(&mut tx, project, export.tasks, Some(export.started_at), now).await?;
        let gone = gone_tasks(&mut tx, project, export).await?;
        let tasks_removed = tasks::delete(&mut tx, project, &gone, now).await?;

        let stored = load_all(&mut tx, project).await?;
        let mut merge = Merge::new(stored, now, Some(export.started_at));
        merge.empty = empty_among(export.annotations, known.label_config.as_deref());
        for annotation in export.annotations {
            merge.upsert(annotation, false)?;
        }
        let present: BTreeSet<_> = export.annotations.iter().map(|annotation| annotation.id.0).collect();
        merge.delete_missing(&present);
        merge.delete_of_tasks(&gone);
        write(&mut tx, project, merge.changed()).await?;

        let info = ProjectInfo::new(project);
        projects::update(&mut tx, &known, &info, merge.label_changes, now).await?;
        tx.commit().await?;
        Ok(Reconciled {
            added: merge.added,
            changed: merge.relabelled,
            removed: merge.removed,
            tasks_changed,
            tasks_removed,
            label_changes: merge.label_changes,
        })
    }
}

/// Tasks that were here before the export and are not in it.
async fn gone_tasks(tx: &mut Tx, project: ProjectId, export: &Export<'_>) -> Result<Vec<TaskId>> {
    if !export.all_tasks {
        return Ok(Vec::new());
    }
    let present: BTreeSet<_> = export.tasks.iter().map(|task| task.id).collect();
    let mut gone = tasks::received_before(tx, project, export.started_at).await?;
    gone.retain(|task| !present.contains(task));
    Ok(gone)
}

/// Annotations of one event, and its deletions of annotations and tasks.
pub(super) struct Delivery<'a> {
    pub annotations: &'a [Annotation],
    pub deleted_annotations: &'a [AnnotationId],
    pub deleted_tasks: &'a [TaskId],
}

/// Takes a delivery in, inside a transaction that holds the project's row. Returns the number of label changes.
pub(super) async fn receive(tx: &mut Tx, known: &Project, delivery: &Delivery<'_>, now: i64) -> Result<i64> {
    let project = known.id;
    let ids = delivery.annotations.iter().map(|annotation| annotation.id);
    let ids: Vec<i64> = ids.chain(delivery.deleted_annotations.iter().copied()).map(|id| id.0).collect();
    let mut stored = load(tx, project, "annotation_id", &ids).await?;
    let of_tasks: Vec<i64> = delivery.deleted_tasks.iter().map(|task| task.0).collect();
    stored.extend(load(tx, project, "task_id", &of_tasks).await?);

    let task_ids: Vec<_> = delivery.annotations.iter().map(|annotation| annotation.task).collect();
    let dead = tasks::deleted_among(tx, project, &task_ids).await?;

    let mut merge = Merge::new(stored, now, None);
    merge.empty = empty_among(delivery.annotations, known.label_config.as_deref());
    for annotation in delivery.annotations {
        merge.upsert(annotation, dead.contains(&annotation.task))?;
    }
    for id in delivery.deleted_annotations {
        merge.delete(*id);
    }
    merge.delete_of_tasks(delivery.deleted_tasks);
    write(tx, project, merge.changed()).await?;
    Ok(merge.label_changes)
}

/// Those that were submitted without any choice. The label config, as far as it is known, says of which control "none of
/// these" is an answer; it is read only where that matters.
fn empty_among(annotations: &[Annotation], label_config: Option<&str>) -> BTreeSet<AnnotationId> {
    let config = LazyCell::new(|| label_config.and_then(|xml| LabelConfig::parse(xml).ok()));
    let any_number = |name: &str| {
        let mut heads = config.iter().flat_map(|config| &config.heads);
        heads.any(|head| head.from_name == name && head.kind == ChoiceKind::Multiple)
    };
    let empty = annotations.iter().filter(|annotation| annotation.is_empty(any_number));
    empty.map(|annotation| annotation.id).collect()
}

async fn load_all(tx: &mut Tx, project: ProjectId) -> Result<BTreeMap<i64, Stored>> {
    let rows: Vec<Stored> = sqlx::query_as("SELECT * FROM annotations WHERE project_id = $1")
        .bind(project.0)
        .fetch_all(&mut **tx)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// Rows, deleted ones too, whose `column` holds one of `ids`.
async fn load(
    tx: &mut Tx,
    project: ProjectId,
    column: &'static str,
    ids: &[i64],
) -> Result<BTreeMap<i64, Stored>> {
    let mut stored = BTreeMap::new();
    for list in lists(ids) {
        let sql = format!(
            "SELECT * FROM annotations WHERE project_id = $1 AND {column} IN ({})",
            placeholders(2, list.len())
        );
        let mut query = sqlx::query_as::<_, Stored>(AssertSqlSafe(sql)).bind(project.0);
        for id in list {
            query = query.bind(id);
        }
        stored.extend(query.fetch_all(&mut **tx).await?.into_iter().map(|row| (row.id, row)));
    }
    Ok(stored)
}

async fn write(tx: &mut Tx, project: ProjectId, changed: Vec<&Stored>) -> Result<()> {
    for chunk in changed.chunks(ROW_CHUNK) {
        let sql = format!(
            "INSERT INTO annotations (project_id, annotation_id, task_id, result, was_cancelled, empty, ground_truth,
                 completed_by, updated_at, received_at, deleted_at) VALUES {}
             ON CONFLICT (project_id, annotation_id) DO UPDATE SET task_id = excluded.task_id, result = excluded.result,
                 was_cancelled = excluded.was_cancelled, empty = excluded.empty, ground_truth = excluded.ground_truth,
                 completed_by = excluded.completed_by, updated_at = excluded.updated_at,
                 received_at = excluded.received_at, deleted_at = excluded.deleted_at",
            rows(chunk.len(), 11)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(keep_prepared(chunk.len()));
        for row in chunk {
            query = query
                .bind(project.0)
                .bind(row.id)
                .bind(row.task)
                .bind(row.result.clone())
                .bind(i64::from(row.was_cancelled))
                .bind(i64::from(row.empty))
                .bind(i64::from(row.ground_truth))
                .bind(row.completed_by)
                .bind(row.updated_at)
                .bind(row.received_at)
                .bind(row.deleted_at);
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

impl FromRow<'_, AnyRow> for Stored {
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("annotation_id")?,
            task: row.try_get("task_id")?,
            result: row.try_get("result")?,
            was_cancelled: row.try_get::<i64, _>("was_cancelled")? != 0,
            empty: row.try_get::<i64, _>("empty")? != 0,
            ground_truth: row.try_get::<i64, _>("ground_truth")? != 0,
            completed_by: row.try_get("completed_by")?,
            updated_at: row.try_get("updated_at")?,
            received_at: row.try_get("received_at")?,
            deleted_at: row.try_get("deleted_at")?,
        })
    }
}

impl FromRow<'_, AnyRow> for Annotation {
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        let stored = Stored::from_row(row)?;
        let unreadable = |source| sqlx::Error::ColumnDecode {
            index: format!("annotations.result of annotation {}", stored.id),
            source,
        };
        Ok(Self {
            id: AnnotationId(stored.id),
            task: TaskId(stored.task.ok_or_else(|| unreadable("it has no task".into()))?),
            result: serde_json::from_str(&stored.result).map_err(|error| unreadable(error.into()))?,
            was_cancelled: stored.was_cancelled,
            ground_truth: stored.ground_truth,
            completed_by: stored.completed_by,
            created_at: 0,
            updated_at: stored.updated_at,
        })
    }
}

fn to_text(result: &[Value]) -> Result<String> {
    serde_json::to_string(result).map_err(StorageError::invalid)
}
