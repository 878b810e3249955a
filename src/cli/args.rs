//! Arguments that commands share.

pub mod address;
pub mod model;
pub mod services;
pub mod strategy;

use clap::{Args, Command, FromArgMatches};

use crate::config::{
    AddressSettings, ImageSettings, LabelStudioSettings, LeaveAloneSettings, ModelSettings, PoolSettings,
    Settings, StorageSettings,
};

/// Groups of the server's settings that a command may take.
pub const ADDRESS: u8 = 1;
pub const STORAGE: u8 = 1 << 1;
pub const LABEL_STUDIO: u8 = 1 << 2;
pub const IMAGES: u8 = 1 << 3;
pub const MODEL: u8 = 1 << 4;
pub const POOL: u8 = 1 << 5;
pub const PROJECTS: u8 = 1 << 6;

/// Adds the arguments of a group.
type AddArguments = fn(Command) -> Command;

/// Commands that predict images or train on them.
pub type PredictionSettings = SettingsOf<{ STORAGE | LABEL_STUDIO | IMAGES | MODEL }>;

/// Commands that rank the tasks of a project.
pub type RankingSettings = SettingsOf<{ STORAGE | LABEL_STUDIO | IMAGES | MODEL | POOL }>;

/// Settings of which a command takes some groups; the others have their defaults, whatever the environment says. `-h` shows a
/// command's own flags, `--help` these too.
pub struct SettingsOf<const GROUPS: u8> {
    pub settings: Settings,
}

impl<const GROUPS: u8> SettingsOf<GROUPS> {
    fn add(command: Command) -> Command {
        let groups: [(u8, AddArguments); 7] = [
            (ADDRESS, AddressSettings::augment_args),
            (STORAGE, StorageSettings::augment_args),
            (LABEL_STUDIO, LabelStudioSettings::augment_args),
            (IMAGES, ImageSettings::augment_args),
            (MODEL, ModelSettings::augment_args),
            (POOL, PoolSettings::augment_args),
            (PROJECTS, LeaveAloneSettings::augment_args),
        ];
        let own: Vec<clap::Id> = command.get_arguments().map(|arg| arg.get_id().clone()).collect();
        let taken = groups.into_iter().filter(|(group, _)| GROUPS & group != 0);
        let command = taken.fold(command, |command, (_, add)| add(command));
        command.mut_args(|arg| if own.contains(arg.get_id()) { arg } else { arg.hide_short_help(true) })
    }

    /// Takes over the values of the groups that the command has.
    fn read(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
        let settings = &mut self.settings;
        let has = |group: u8| GROUPS & group != 0;
        if has(ADDRESS) {
            settings.server.address = AddressSettings::from_arg_matches(matches)?;
        }
        if has(STORAGE) {
            settings.storage = StorageSettings::from_arg_matches(matches)?;
        }
        if has(LABEL_STUDIO) {
            settings.label_studio = LabelStudioSettings::from_arg_matches(matches)?;
        }
        if has(IMAGES) {
            settings.images = ImageSettings::from_arg_matches(matches)?;
        }
        if has(MODEL) {
            settings.model = ModelSettings::from_arg_matches(matches)?;
        }
        if has(POOL) {
            settings.pool = PoolSettings::from_arg_matches(matches)?;
        }
        if has(PROJECTS) {
            settings.queue.projects = LeaveAloneSettings::from_arg_matches(matches)?;
        }
        Ok(())
    }
}

/// Settings as they are where nobody sets any.
fn defaults() -> Result<Settings, clap::Error> {
    let command = Settings::augment_args(Command::new("defaults"));
    let unset = command.mut_args(|arg| arg.env(None::<&str>));
    Settings::from_arg_matches(&unset.try_get_matches_from(["defaults"])?)
}

impl<const GROUPS: u8> Args for SettingsOf<GROUPS> {
    fn augment_args(command: Command) -> Command {
        Self::add(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::add(command)
    }
}

impl<const GROUPS: u8> FromArgMatches for SettingsOf<GROUPS> {
    fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
        let mut read = Self { settings: defaults()? };
        read.read(matches)?;
        Ok(read)
    }

    fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
        self.read(matches)
    }
}
