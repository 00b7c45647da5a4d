use icefield_api::SystemState;
use serde::{Deserialize, Serialize};

/// Where an attempt to come to a system is. What is to be done in it is done after it is noted, and can be done again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Step {
    /// Bring all of the system into the store.
    Fetch,
    /// Compare all of it with its hashes.
    Verify,
    /// Wait until the machine may be restarted.
    AwaitDrain,
    /// Have the profile name the system.
    SetProfile,
    /// Switch to it, or have the machine start with it the next time.
    Switch,
    /// Restart the machine.
    Reboot,
    /// Do well for a while.
    Confirm,
    /// It did.
    Active,
    /// Have the profile name the system before.
    RestoreProfile,
    /// Switch back to that, or have the machine start with it the next time.
    SwitchBack,
    /// Restart the machine.
    RebootBack,
    /// The system before is there again.
    RolledBack,
    /// The system was never switched to, or there was no way back.
    Failed,
}

impl Step {
    /// What the servers are told.
    pub(super) const fn state(self) -> SystemState {
        match self {
            Self::Fetch | Self::Verify => SystemState::Fetching,
            Self::AwaitDrain => SystemState::NeedsReboot,
            Self::SetProfile | Self::Switch => SystemState::Switching,
            Self::Reboot => SystemState::Rebooting,
            Self::Confirm => SystemState::Confirming,
            Self::Active => SystemState::Active,
            Self::RestoreProfile | Self::SwitchBack | Self::RebootBack => SystemState::RollingBack,
            Self::RolledBack => SystemState::RolledBack,
            Self::Failed => SystemState::Failed,
        }
    }

    /// Whether nothing of the machine has been changed yet.
    pub(super) const fn is_before_the_switch(self) -> bool {
        matches!(self, Self::Fetch | Self::Verify | Self::AwaitDrain)
    }

    /// Whether the machine has been changed, and it is not decided yet whether that stays.
    pub(super) const fn is_open(self) -> bool {
        matches!(self, Self::SetProfile | Self::Switch | Self::Reboot | Self::Confirm)
    }

    /// What is being done in it, for messages.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Fetch => "fetching it",
            Self::Verify => "verifying it",
            Self::AwaitDrain => "waiting to be drained",
            Self::SetProfile => "setting the profile",
            Self::Switch => "switching",
            Self::Reboot => "restarting the machine",
            Self::Confirm => "confirming",
            Self::Active => "running it",
            Self::RestoreProfile => "setting the profile back",
            Self::SwitchBack => "switching back",
            Self::RebootBack => "restarting the machine to go back",
            Self::RolledBack => "having gone back",
            Self::Failed => "having failed",
        }
    }
}
