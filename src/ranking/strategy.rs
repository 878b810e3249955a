//! Query strategies and their names.

use std::fmt;
use std::str::FromStr;

use super::tcm;

/// Query strategy: the rule that chooses the images to label next. Formulas, sources and costs stand with the functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// A uniform sample. Cost: n.
    Random,
    /// Largest `1 - p1` (Lewis & Gale 1994). Cost: n C + n log n, as for the next two.
    LeastConfidence,
    /// Largest `1 - (p1 - p2)` (Scheffer, Decomain & Wrobel 2001).
    Margin,
    /// Largest `-sum p ln p / ln C` (Shannon).
    Entropy,
    /// Farthest from everything labelled: `argmax_u min_l |u - l|` (Sener & Savarese 2018). Cost: n d (labelled + b).
    KCenter,
    /// The image nearest each of b k-means centres. Cost: k-means.
    Medoids,
    /// The most typical image of each cluster (Hacohen, Dekel & Weinshall 2022). Cost: k-means and neighbours.
    TypiClust,
    /// Greedy maximum of `E_x max_l k(x, l)` (Bae 2024). Cost: 4,096 x 10,000 d.
    MaxHerding,
    /// Greedy maximum of `E_x U(x) max_l k(x, l)`, U being one minus the margin (Bae 2025). Cost: as `MaxHerding`.
    UHerding,
    /// k-means++ on the head's gradients (Ash et al. 2020). Cost: n b (C + d).
    Badge,
    /// k-center's distance times `1 - (p1 - p2)`. Cost: as `KCenter`.
    Coral,
    /// The least certain images in turn from clusters of them (Citovsky et al. 2021). Cost: (10 b)² d.
    ClusterMargin,
    /// `TypiClust` for two batches, then `Margin` (Doucet et al. 2024).
    Tcm,
}

impl Strategy {
    pub const ALL: [Self; 13] = [
        Self::Random,
        Self::LeastConfidence,
        Self::Margin,
        Self::Entropy,
        Self::KCenter,
        Self::Medoids,
        Self::TypiClust,
        Self::MaxHerding,
        Self::UHerding,
        Self::Badge,
        Self::Coral,
        Self::ClusterMargin,
        Self::Tcm,
    ];

    /// While there is no model: the choice of docs/adr/0006-ranking.md.
    pub const COLD: Self = Self::MaxHerding;

    /// With a model.
    pub const DEFAULT: Self = Self::UHerding;

    /// Its name in settings and requests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::LeastConfidence => "least-confidence",
            Self::Margin => "margin",
            Self::Entropy => "entropy",
            Self::KCenter => "k-center",
            Self::Medoids => "medoids",
            Self::TypiClust => "typiclust",
            Self::MaxHerding => "max-herding",
            Self::UHerding => "u-herding",
            Self::Badge => "badge",
            Self::Coral => "coral",
            Self::ClusterMargin => "cluster-margin",
            Self::Tcm => "tcm",
        }
    }

    /// Returns `true` if it needs probabilities.
    pub fn needs_model(self) -> bool {
        match self {
            Self::LeastConfidence | Self::Margin | Self::Entropy => true,
            Self::UHerding | Self::Badge | Self::Coral | Self::ClusterMargin => true,
            Self::Random | Self::KCenter | Self::Medoids | Self::TypiClust | Self::MaxHerding | Self::Tcm => {
                false
            }
        }
    }
}

impl Strategy {
    /// Returns `true` if it compares where images lie, so that the images a pick stands for are a reason.
    pub(super) fn seeks_diversity(self) -> bool {
        !matches!(self, Self::Random | Self::LeastConfidence | Self::Margin | Self::Entropy)
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Strategy {
    /// The strategy that does the work: `Tcm`'s turn, and [`Strategy::COLD`] for one that lacks the model it needs.
    pub(super) fn now(self, has_model: bool, labelled: usize, count: usize) -> Self {
        match self {
            Self::Tcm => tcm::turn(has_model, labelled, count),
            _ if self.needs_model() && !has_model => Self::COLD,
            _ => self,
        }
    }
}

/// A name that no strategy has.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no strategy `{0}`; choose one of {known}", known = Strategy::ALL.map(Strategy::name).join(", "))]
pub struct UnknownStrategy(String);

impl FromStr for Strategy {
    type Err = UnknownStrategy;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|strategy| strategy.name() == name)
            .ok_or_else(|| UnknownStrategy(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_strategy_is_found_by_its_name() {
        for strategy in Strategy::ALL {
            assert_eq!(strategy.to_string().parse(), Ok(strategy));
        }
        let error = "herding".parse::<Strategy>().unwrap_err().to_string();
        assert!(
            error.starts_with("there is no strategy `herding`; choose one of random, least-confidence"),
            "{error}"
        );
    }
}
