//! Files: the state directory, journals, locks, secrets, atomic writes. The only room that uses `std::fs`.
//!
//! What stands here must survive a kill at any instant: a file is either as it was or as it was to be, a journal line
//! is durable before its append returns, and a lock dies with its process. Nothing here prints, prompts or knows a cloud.
#![expect(clippy::disallowed_methods, reason = "this is the room that touches files, atomically and 0600")]

pub mod append;
pub mod error;
pub mod files;
pub mod growing;
pub mod journal;
pub mod lock;
pub mod shared_file;
pub mod state_dir;

pub use append::{AppendLog, Lines, LogFile, read_lines};
pub use error::{StoreError, StoreErrorKind};
pub use files::{
    Standing, begin_shared, file_names, make_private_dir, make_shared_dir, read_bytes_if_there, read_text,
    read_text_if_there, remove_if_there, remove_tree, stamp, text, what_stands, write_private, write_shared,
    write_users,
};
pub use growing::{GrowingFile, GrowingReader};
pub use journal::{JournalRead, StackJournal};
pub use lock::{FileLock, Holder, Presence};
pub use shared_file::SharedFile;
pub use state_dir::{Known, Life, StackLock, StateDir};
