//! Regions of images: one download and one decoding for those of one image.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;

use super::image::{Images, Key, kept_under};
use super::{EmbedError, Embedded, ImageRequest};
use crate::domain::ids::{ContentHash, TaskId};
use crate::domain::region::Place;
use crate::storage::Embedding;
use crate::turns::Asker;
use crate::vision::{self, Input, Limits};

type Shared = Result<Arc<Embedded>, Arc<EmbedError>>;

/// Regions that are cut out of an image at once and run in one turn: half a second, and a few megabytes of input.
const REGIONS_AT_ONCE: usize = 16;

/// Requests for one image: the whole, or some regions.
#[derive(Debug, Default)]
pub(super) struct OfImage {
    pub wanted: Vec<ImageRequest>,
    /// Indices in the batch of each request.
    indices: Vec<Vec<usize>>,
}

impl OfImage {
    /// Result of each request with its task, for every index of the batch that wants it.
    pub fn answers(&self, embedded: &[Shared]) -> impl Iterator<Item = (usize, TaskId, Shared)> {
        let all = self.wanted.iter().zip(&self.indices).zip(embedded);
        all.flat_map(|((wanted, indices), embedded)| {
            indices.iter().map(move |index| (*index, wanted.task, embedded.clone()))
        })
    }
}

/// Groups requests by image, in parts of [`REGIONS_AT_ONCE`], each region once; a whole image stays by itself.
pub(super) fn by_image(wanted: Vec<(usize, Key, ImageRequest)>) -> Vec<OfImage> {
    let mut groups: Vec<OfImage> = Vec::new();
    let mut open: HashMap<[u8; 32], usize> = HashMap::new();
    let mut known: HashMap<Key, (usize, usize)> = HashMap::new();
    for (index, key, wanted) in wanted {
        if wanted.place.is_none() {
            groups.push(OfImage { wanted: vec![wanted], indices: vec![vec![index]] });
            continue;
        }
        if let Some((group, at)) = known.get(&key) {
            groups[*group].indices[*at].push(index);
            continue;
        }
        let group = open.get(&key.source).copied().filter(|at| groups[*at].wanted.len() < REGIONS_AT_ONCE);
        let at = group.unwrap_or_else(|| {
            groups.push(OfImage::default());
            open.insert(key.source, groups.len() - 1);
            groups.len() - 1
        });
        known.insert(key, (at, groups[at].wanted.len()));
        groups[at].wanted.push(wanted);
        groups[at].indices.push(vec![index]);
    }
    groups
}

impl Images {
    /// Embeds regions of one image, as many as [`by_image`] gives at most. One that fails is an entry of the answer.
    pub(super) async fn embed_regions(
        &self,
        asker: Asker,
        regions: &[ImageRequest],
        begun: &AtomicBool,
    ) -> Vec<Shared> {
        let embedded = match regions.first() {
            Some(first) => self.regions_of(asker, first, regions, begun).await,
            None => Ok(Vec::new()),
        };
        let embedded = embedded.unwrap_or_else(|error| {
            let shared = Arc::new(error);
            regions.iter().map(|_| Err(Arc::clone(&shared))).collect()
        });
        for (key, embedded) in Key::all(regions).into_iter().zip(&embedded) {
            match embedded {
                Ok(embedded) => self.recent.insert(key, Arc::clone(embedded)).await,
                Err(error) => self.note_failure(key, error).await,
            }
        }
        embedded
    }

    async fn regions_of(
        &self,
        asker: Asker,
        image: &ImageRequest,
        regions: &[ImageRequest],
        begun: &AtomicBool,
    ) -> Result<Vec<Shared>, EmbedError> {
        let (bytes, hash) = self.fetch(asker, image, begun).await?;
        let under: Vec<ContentHash> = regions.iter().map(|wanted| kept_under(hash, wanted.place)).collect();
        let known = self.storage.embeddings(&under, self.fingerprint()).await.unwrap_or_default();
        let mut known: Vec<Option<Embedding>> =
            known.into_iter().chain(std::iter::repeat(None)).take(under.len()).collect();
        let missing: Vec<usize> = (0..under.len()).filter(|index| known[*index].is_none()).collect();
        let places: Vec<Place> = missing.iter().filter_map(|index| regions[*index].place).collect();
        let mut failed: HashMap<usize, Arc<EmbedError>> = HashMap::new();
        if !missing.is_empty() {
            let embedded_regions =
                self.embed_cut_regions(asker, image, bytes, places, &missing, &under).await?;
            for (index, embedding) in missing.into_iter().zip(embedded_regions) {
                match embedding {
                    Ok(embedding) => known[index] = Some(embedding),
                    Err(error) => {
                        failed.insert(index, Arc::new(error));
                    }
                }
            }
        }
        self.note_seen(image, hash).await;
        let embedded = known.into_iter().enumerate().map(|(index, embedding)| match embedding {
            Some(Embedding { vector, damaged }) => Ok(Arc::new(Embedded { hash, vector, damaged })),
            None => Err(failed.remove(&index).unwrap_or_else(|| Arc::new(EmbedError::ShuttingDown))),
        });
        Ok(embedded.collect())
    }

    /// Cuts regions out of an image and runs them one after the other; each is stored under the digest of its index.
    async fn embed_cut_regions(
        &self,
        asker: Asker,
        image: &ImageRequest,
        bytes: Bytes,
        places: Vec<Place>,
        indices: &[usize],
        under: &[ContentHash],
    ) -> Result<Vec<Result<Embedding, EmbedError>>, EmbedError> {
        let task = image.task;
        let _turn = self.turns().wait(asker).await;
        let cut = move |bytes: &[u8], input: &Input, limits: &Limits| {
            vision::prepare_regions(bytes, &places, input, limits)
        };
        let prepared = self.decode(task, bytes, cut).await?;
        let mut embedded_regions = Vec::with_capacity(prepared.len());
        for (prepared, index) in prepared.into_iter().zip(indices) {
            embedded_regions.push(match prepared {
                Ok(prepared) => self.run(task, prepared, under[*index]).await,
                Err(source) => Err(EmbedError::Vision { task, source }),
            });
        }
        Ok(embedded_regions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::ProjectId;
    use serde_json::json;

    fn wanted(source: &str, left: Option<usize>) -> ImageRequest {
        let place = left.map(|left| json!({"value": {"x": left, "y": 0, "width": 5, "height": 5}}));
        let place = place.and_then(|item| Place::of(&item).ok());
        ImageRequest {
            project: ProjectId(1),
            task: TaskId(1),
            source: source.into(),
            place,
            credentials: None,
        }
    }

    fn groups(all: Vec<ImageRequest>) -> Vec<OfImage> {
        let keys = Key::all(&all);
        by_image(
            all.into_iter()
                .zip(keys)
                .enumerate()
                .map(|(index, (wanted, key))| (index, key, wanted))
                .collect(),
        )
    }

    #[test]
    fn regions_of_one_image_go_together_and_whole_images_alone() {
        let all = [("a", None), ("a", Some(1)), ("b", Some(1)), ("a", Some(2)), ("a", Some(1)), ("a", None)];
        let groups = groups(all.map(|(source, left)| wanted(source, left)).to_vec());
        let indices: Vec<Vec<Vec<usize>>> = groups.iter().map(|group| group.indices.clone()).collect();
        assert_eq!(indices, [vec![vec![0]], vec![vec![1, 4], vec![3]], vec![vec![2]], vec![vec![5]]]);
        let failed: Shared = Err(Arc::new(EmbedError::ShuttingDown));
        let told: Vec<usize> =
            groups[1].answers(&[failed.clone(), failed]).map(|(index, ..)| index).collect();
        assert_eq!(told, [1, 4, 3]);
    }

    #[test]
    fn many_regions_of_one_image_go_in_parts() {
        let many = (0..2 * REGIONS_AT_ONCE + 1).map(|left| wanted("a", Some(left))).collect();
        let sizes: Vec<usize> = groups(many).iter().map(|group| group.wanted.len()).collect();
        assert_eq!(sizes, [REGIONS_AT_ONCE, REGIONS_AT_ONCE, 1]);
    }

    #[test]
    fn a_region_is_kept_under_the_image_and_its_place() {
        let hash = ContentHash::new([7; 32]);
        let here = wanted("a", Some(1)).place;
        let there = wanted("a", Some(2)).place;
        assert_eq!(kept_under(hash, None), hash);
        assert_eq!(kept_under(hash, here), kept_under(hash, here));
        let others = [kept_under(hash, there), kept_under(ContentHash::new([8; 32]), here), hash];
        assert!(!others.contains(&kept_under(hash, here)));
    }
}
