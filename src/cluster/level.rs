//! How far a collection may reach into the cluster. Each level leaves a footprint of its own, is asked for by itself, and has
//! a role of its own in `plugin/rbac/`; the [guard](super::guard) lets nothing of a level out that was not asked for.

/// A kind of footprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Reads of the API: lists, watches, logs, and the reviews that ask what is allowed.
    Core,
    /// One process in each running container.
    Exec,
    /// Log files of the nodes, read through the kubelets.
    NodeLogs,
    /// An ephemeral container in pods whose containers have no shell. It cannot be removed again.
    DebugContainer,
}

impl Level {
    /// Every level, from the lightest footprint to the heaviest.
    pub const ALL: [Self; 4] = [Self::Core, Self::Exec, Self::NodeLogs, Self::DebugContainer];

    /// Its name in the names of roles and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Exec => "exec",
            Self::NodeLogs => "node-logs",
            Self::DebugContainer => "debug",
        }
    }

    /// What it leaves behind in the cluster.
    pub fn footprint(self) -> &'static str {
        match self {
            Self::Core => "lines in the audit log; nothing in the cluster changes",
            Self::Exec => {
                "a shell runs for a moment in each running container; lines in the audit log and in the logs of the runtimes"
            }
            Self::NodeLogs => "lines in the audit log and in the logs of the kubelets",
            Self::DebugContainer => {
                "an ephemeral container stays in the pod until the pod is deleted, its image on the node, and events tell of both"
            }
        }
    }
}

/// The levels that were asked for; [`Level::Core`] always is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// [`Level::Exec`].
    pub exec: bool,
    /// [`Level::NodeLogs`].
    pub node_logs: bool,
    /// [`Level::DebugContainer`].
    pub debug_container: bool,
}

impl Levels {
    /// Whether a level was asked for.
    pub fn has(self, level: Level) -> bool {
        match level {
            Level::Core => true,
            Level::Exec => self.exec,
            Level::NodeLogs => self.node_logs,
            Level::DebugContainer => self.debug_container,
        }
    }
}
